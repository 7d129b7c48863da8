// A list of figures: what is counted, and how much of it there is.
export default {
  template: `
    <dl class="figures" :aria-label="label">
      <div v-for="item in items" :key="item.label" class="figure" :data-tone="item.tone">
        <dt>{{ item.label }}</dt>
        <dd>{{ item.value }}</dd>
      </div>
    </dl>
  `,
  props: { label: String, items: Array },
};
