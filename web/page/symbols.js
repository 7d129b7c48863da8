// The table of symbols. It holds the rows around what is in sight; the server sorts, searches and sends them.
const ROW_PX = 32;
const SPARE_ROWS = 12;
const ASK_MS = 60;

export default {
  template: `
    <div class="symbols">
      <div class="find">
        <label :for="'find-' + uid">Search symbols</label>
        <input :id="'find-' + uid" type="search" autocomplete="off" spellcheck="false" placeholder="Name or feed"
          v-model="search" @input="changed" />
        <span class="found" role="status" aria-live="polite">{{ told }}</span>
      </div>
      <div class="scroller" ref="scroller" @scroll.passive="scrolled" @keydown="pressed">
        <table :aria-rowcount="matching + 1">
          <caption class="unseen">Symbols. Arrow keys move, Enter shows the chart.</caption>
          <thead>
            <tr aria-rowindex="1">
              <th v-for="(column, i) in columns" :key="column.name" scope="col" :class="[column.name, i ? 'right' : '']"
                :aria-sort="column.name !== sort ? 'none' : descending ? 'descending' : 'ascending'">
                <button type="button" @click="order(column.name)">{{ column.label }}<span aria-hidden="true"
                  class="arrow">{{ column.name !== sort ? "" : descending ? "▾" : "▴" }}</span></button>
              </th>
            </tr>
          </thead>
          <tbody>
            <tr v-if="first" aria-hidden="true" class="gap"><td :colspan="columns.length"
              :style="{ height: first * row_px + 'px' }"></td></tr>
            <tr v-for="line in shown" :key="line.place" :aria-rowindex="line.place + 2"
              :class="{ chosen: is_chosen(line.row) }" @click="pick(line)">
              <th scope="row" class="symbol">
                <button v-if="line.row" type="button" :data-place="line.place"
                  :tabindex="line.place === cursor ? 0 : -1"
                  :aria-pressed="is_chosen(line.row) ? 'true' : 'false'" @focus="cursor = line.place">{{ line.row[1]
                  }}<span v-if="several" class="feed">{{ line.row[0] }}</span></button>
              </th>
              <td v-for="(column, i) in columns.slice(1)" :key="column.name" class="right" :class="column.name"
                :data-tone="line.row ? line.row[2][i][1] : ''">{{ line.row ? line.row[2][i][0] : "" }}</td>
            </tr>
            <tr v-if="after" aria-hidden="true" class="gap"><td :colspan="columns.length"
              :style="{ height: after * row_px + 'px' }"></td></tr>
          </tbody>
        </table>
        <p v-if="!matching" class="nothing">{{ total ? "No symbol matches" : "No symbols yet" }}</p>
      </div>
    </div>
  `,
  props: { columns: Array },
  data() {
    return {
      uid: Math.random().toString(36).slice(2), row_px: ROW_PX, search: "", sort: "symbol", descending: false,
      first: 0, n: 40, matching: 0, total: 0, rows: {}, chosen: ["", ""], cursor: 0, several: false,
    };
  },
  computed: {
    shown() {
      const last = Math.min(this.matching, this.first + this.n);
      const places = Array.from({ length: Math.max(0, last - this.first) }, (_, i) => this.first + i);
      return places.map((place) => ({ place, row: this.rows[place] }));
    },
    after() {
      return Math.max(0, this.matching - this.first - this.n);
    },
    told() {
      const n = (count) => count.toLocaleString("en");
      return this.search ? `${n(this.matching)} of ${n(this.total)}` : `${n(this.total)} symbols`;
    },
  },
  mounted() {
    this.scrolled();
    this.resized = new ResizeObserver(() => this.scrolled());
    this.resized.observe(this.$refs.scroller);
  },
  beforeUnmount() {
    this.resized.disconnect();
    clearTimeout(this.asking);
  },
  methods: {
    scrolled() {
      const { scrollTop, clientHeight } = this.$refs.scroller;
      const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - SPARE_ROWS);
      const n = Math.ceil(clientHeight / ROW_PX) + 2 * SPARE_ROWS;
      if (this.asked && first === this.first && n === this.n) return;
      [this.first, this.n] = [first, n];
      this.ask();
    },
    changed() {
      this.rows = {};
      this.cursor = 0;
      this.$refs.scroller.scrollTop = 0;
      this.first = 0;
      this.ask();
    },
    order(name) {
      // Names read upwards, numbers are wanted from the largest.
      this.descending = name === this.sort ? !this.descending : name !== "symbol";
      this.sort = name;
      this.changed();
    },
    ask() {
      this.asked = true;
      if (this.asking) return;
      this.asking = setTimeout(() => {
        this.asking = null;
        const { search, sort, descending, first, n } = this;
        this.$emit("wanted", { search, sort, descending, first, n });
      }, ASK_MS);
    },
    show({ matching, total, rows, first, several }) {
      const kept = Object.entries(this.rows).filter(([place]) => place >= first && place < first + this.n);
      this.rows = { ...Object.fromEntries(kept), ...rows };
      [this.matching, this.total, this.several] = [matching, total, several];
    },
    mark(feed, symbol) {
      this.chosen = [feed, symbol];
    },
    is_chosen(row) {
      return Boolean(row) && row[0] === this.chosen[0] && row[1] === this.chosen[1];
    },
    pick(line) {
      if (!line.row) return;
      this.cursor = line.place;
      this.mark(line.row[0], line.row[1]);
      this.$emit("chosen", { feed: line.row[0], symbol: line.row[1] });
    },
    pressed(event) {
      if (event.target.dataset.place === undefined) return;
      const page = Math.max(1, Math.floor(this.$refs.scroller.clientHeight / ROW_PX) - 2);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      const step = steps[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.go(Math.min(this.matching - 1, Math.max(0, this.cursor + step)));
    },
    go(place) {
      const scroller = this.$refs.scroller;
      const [above, below] = [place * ROW_PX, (place + 2) * ROW_PX];
      if (above < scroller.scrollTop) scroller.scrollTop = above;
      else if (below > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = below - scroller.clientHeight;
      this.cursor = place;
      this.focus_soon(place, 40);
    },
    focus_soon(place, tries) {
      const button = this.$el.querySelector(`button[data-place="${place}"]`);
      if (button) button.focus({ preventScroll: true });
      else if (tries && this.cursor === place) setTimeout(() => this.focus_soon(place, tries - 1), 25);
    },
  },
};
