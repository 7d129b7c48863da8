// What needs attention. The regions are there from the start, so that what comes into them is read out.
export default {
  template: `
    <div class="attention">
      <div role="status" aria-live="polite" class="banner" :class="{ shown: banner }" data-part="pipeline-banner">
        <span v-if="banner">{{ banner }}</span>
      </div>
      <div role="status" aria-live="polite" aria-label="What needs attention" class="troubles">
        <ul v-if="items.length">
          <li v-for="[text, tone] in items" :key="text" :data-tone="tone">{{ text }}</li>
        </ul>
        <p v-else-if="!banner" data-tone="good">Nothing needs attention</p>
      </div>
    </div>
  `,
  props: { banner: String, items: Array },
};
