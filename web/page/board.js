// A table that is read. A cell is [text, tone]; a tone puts a sign before the text by way of the style sheet.
export default {
  template: `
    <div class="board">
      <table>
        <caption class="unseen">{{ caption }}</caption>
        <thead>
          <tr><th v-for="(heading, i) in headings" :key="heading" scope="col" :class="side(i)">{{ heading }}</th></tr>
        </thead>
        <tbody>
          <tr v-for="row in rows" :key="row.key" :class="row.kind">
            <template v-for="([text, tone], i) in row.cells">
              <th v-if="i === 0" scope="row" :class="side(i)" :data-tone="tone">{{ text }}</th>
              <td v-else :class="side(i)" :data-tone="tone" :title="text.length > 24 ? text : null">{{ text }}</td>
            </template>
          </tr>
          <tr v-if="!rows.length"><td :colspan="headings.length" class="nothing">{{ nothing }}</td></tr>
        </tbody>
      </table>
    </div>
  `,
  props: { caption: String, headings: Array, rows: Array, nothing: String, sides: String },
  methods: {
    side(i) {
      return this.sides[i] === "r" ? "right" : this.sides[i] === "w" ? "wide" : "";
    },
  },
};
