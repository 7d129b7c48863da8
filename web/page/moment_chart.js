// One value a second over the last minutes: throughput, or latency percentiles.
import { echarts } from "nicegui-echart";

const MOST_POINTS = 600;

export default {
  template: `<div class="chart small" role="img" :aria-label="label"></div>`,
  props: { label: String, unit: String, series: Array, logarithmic: Boolean },
  mounted() {
    this.times = [];
    this.columns = Object.fromEntries(this.series.map(({ name }) => [name, []]));
    this.chart = echarts.init(this.$el, null, { renderer: "canvas" });
    this.resized = new ResizeObserver(() => this.chart.resize());
    this.resized.observe(this.$el);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.draw();
  },
  beforeUnmount() {
    this.resized.disconnect();
    this.themed.disconnect();
    this.chart.dispose();
  },
  methods: {
    add(fresh) {
      if (fresh.anew) this.times = [];
      this.times = [...this.times, ...fresh.ts_ms].slice(-MOST_POINTS);
      for (const { name } of this.series) {
        const old = fresh.anew ? [] : this.columns[name];
        this.columns[name] = [...old, ...fresh[name]].slice(-MOST_POINTS);
      }
      this.draw();
    },
    draw() {
      const style = getComputedStyle(document.body);
      const colour = (name) => style.getPropertyValue(`--${name}`).trim();
      const text = { color: colour("muted"), fontSize: 11, fontFamily: "Roboto, sans-serif" };
      this.chart.setOption({
        animation: false,
        useUTC: true,
        textStyle: text,
        color: (this.series.length > 1 ? ["series-1", "series-2", "series-3", "series-4"] : ["series-2"]).map(colour),
        grid: { left: 8, right: 12, top: this.series.length > 1 ? 30 : 12, bottom: 4, containLabel: true },
        legend: { show: this.series.length > 1, top: 0, right: 8, itemWidth: 14, itemHeight: 2, itemGap: 14, icon: "rect",
          textStyle: text },
        tooltip: { trigger: "axis", confine: true, backgroundColor: colour("surface"),
          borderColor: colour("edge"), textStyle: { color: colour("text"), fontSize: 12 },
          valueFormatter: (value) => (typeof value === "number" ? `${value.toFixed(1)} ${this.unit}` : "-") },
        xAxis: { type: "time", axisLine: { lineStyle: { color: colour("edge") } }, axisTick: { show: false },
          axisLabel: { ...text, hideOverlap: true, formatter: "{HH}:{mm}:{ss}" }, splitLine: { show: false } },
        yAxis: { ...(this.logarithmic ? { type: "log" } : { type: "value", min: 0 }), splitNumber: 3,
          axisLabel: { ...text, formatter: (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 }) },
          splitLine: { lineStyle: { color: colour("edge") } } },
        series: this.series.map(({ name, label }, i) => ({
          type: "line", name: label, showSymbol: false, lineStyle: { width: 1.5 },
          areaStyle: this.series.length === 1 && i === 0 ? { opacity: 0.1 } : undefined,
          // A logarithm has no zero.
          data: this.times.map((time, at) => [time, this.logarithmic ? this.columns[name][at] || null
            : this.columns[name][at]]),
        })),
      });
    },
  },
};
