// One symbol's price with its VWAP and band, bid and ask and marked ticks; spread and z below on the same time.
// Texts from venues reach the page as text nodes only: the tooltip is put together from elements.
import { echarts } from "nicegui-echart";

const MOST_TICKS = 6000;
const STROKE = "path://M0,0h14v2h-14z";
const COLUMNS = ["ts_ms", "price", "bid", "ask", "vwap", "spread", "z", "verdict", "reason", "low", "high"];
const REACH = 0.15; // Of the accepted prices' range, left free above and below.

const empty = () => Object.fromEntries(COLUMNS.map((name) => [name, []]));

function time(ms) {
  return new Date(ms).toISOString().slice(11, 23) + " UTC";
}

export default {
  template: `<div class="chart tall" role="img" :aria-label="heard" :data-ticks="ticks" :data-rejected="rejected"
    :data-warned="warned"></div>`,
  data() {
    return { ticks: 0, rejected: 0, warned: 0, name: "", last: "" };
  },
  computed: {
    heard() {
      if (!this.ticks) return "Price chart, no ticks yet";
      const marked = `${this.rejected} of them rejected, ${this.warned} warned`;
      return `Price, spread and z of ${this.name}: ${this.ticks} ticks, ${marked}, last price ${this.last}`;
    },
  },
  mounted() {
    this.columns = empty();
    this.limits = [null, null];
    this.decimals = 2;
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
    choose(feed, symbol) {
      this.name = symbol;
      this.columns = empty();
      this.draw();
    },
    thresholds(warn_z, critical_z) {
      this.limits = [warn_z, critical_z];
      this.draw();
    },
    add(fresh) {
      const old = fresh.anew ? empty() : this.columns;
      const stays = old.ts_ms.length - fresh.drop;
      this.decimals = fresh.decimals;
      this.columns = Object.fromEntries(
        COLUMNS.map((name) => [name, [...old[name].slice(0, stays), ...fresh[name]].slice(-MOST_TICKS)]),
      );
      this.draw();
    },
    written(value, decimals = this.decimals) {
      if (value === null || value === undefined) return "-";
      return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    },
    range() {
      // A refused price may be anywhere; it is drawn at the edge, so that the others can still be read.
      const { price, bid, ask, low, high, verdict } = this.columns;
      let [least, most] = [Infinity, -Infinity];
      const take = (value) => {
        if (value === null || value === undefined) return;
        if (value < least) least = value;
        if (value > most) most = value;
      };
      for (let i = 0; i < price.length; i++) {
        if (verdict[i] === "reject") continue;
        for (const column of [price, bid, ask, low, high]) take(column[i]);
      }
      if (least > most) return [null, null];
      const room = Math.max((most - least) * REACH, Math.abs(most) * 1e-9);
      return [least - room, most + room];
    },
    marks(which, [least, most]) {
      const { ts_ms, price, verdict } = this.columns;
      const found = [];
      for (let i = 0; i < price.length; i++) {
        if (verdict[i] !== which) continue;
        const at = price[i] ?? most;
        found.push({ value: [ts_ms[i], least === null ? at : Math.min(most, Math.max(least, at))], tick: i });
      }
      return found;
    },
    tip(i) {
      const box = document.createElement("div");
      const say = (label, value) => {
        const line = box.appendChild(document.createElement("div"));
        line.className = "tip";
        line.appendChild(document.createElement("span")).textContent = label;
        line.appendChild(document.createElement("b")).textContent = value;
      };
      const c = this.columns;
      if (i === undefined || i < 0 || i >= c.ts_ms.length) return box;
      say("Time", time(c.ts_ms[i]));
      for (const [label, name] of [["Price", "price"], ["Bid", "bid"], ["Ask", "ask"], ["VWAP", "vwap"]])
        say(label, this.written(c[name][i]));
      say("Spread", this.written(c.spread[i], this.decimals));
      say("z", this.written(c.z[i], 2));
      if (c.verdict[i] === "reject") say("Rejected", c.reason[i] ?? "");
      if (c.verdict[i] === "warn") say("Warned", "far from its recent prices");
      return box;
    },
    draw() {
      const c = this.columns;
      const style = getComputedStyle(document.body);
      const colour = (name) => style.getPropertyValue(`--${name}`).trim();
      const text = { color: colour("muted"), fontSize: 11, fontFamily: "Roboto, sans-serif" };
      const [least, most] = this.range();
      const [warned, rejected] = [this.marks("warn", [least, most]), this.marks("reject", [least, most])];
      const accepted = (name) => c.ts_ms.map((at, i) => [at, c.verdict[i] === "reject" ? null : c[name][i]]);
      const held = (name) => c.ts_ms.flatMap((at, i) => (c[name][i] === null || c.verdict[i] === "reject" ? []
        : [[at, c[name][i]]]));
      const wide = c.ts_ms.map((at, i) => [at, c.low[i] === null ? null : c.high[i] - c.low[i]]);
      const narrow = this.$el.clientWidth < 520;
      const grid = (top, height) => ({ left: 8, right: narrow ? 62 : 76, top, height });
      const x = (gridIndex, shown) => ({
        type: "time", gridIndex, axisLine: { lineStyle: { color: colour("edge") } }, axisTick: { show: false },
        axisLabel: { ...text, show: shown, hideOverlap: true, formatter: "{HH}:{mm}:{ss}" },
        splitLine: { show: false }, axisPointer: { label: { show: false } },
      });
      const y = (gridIndex, rest) => ({
        type: "value", gridIndex, position: "right", splitNumber: gridIndex ? 2 : 5, axisTick: { show: false },
        axisLine: { show: false }, axisPointer: { label: { show: false } },
        axisLabel: { ...text, showMinLabel: false, showMaxLabel: gridIndex > 0 },
        splitLine: { lineStyle: { color: colour("edge"), opacity: 0.7 } },
        ...rest,
      });
      const title = (name, top) => ({ text: name, left: 4, top, textStyle: { ...text, fontWeight: 400 } });
      const line = (name, data, colours, rest) => ({
        type: "line", name, data, showSymbol: false, connectNulls: true, sampling: "lttb", z: 3,
        lineStyle: { width: 1.2, color: colour(colours) }, itemStyle: { color: colour(colours) }, ...rest,
      });
      const limit = (value, name, colours) => ({
        yAxis: value, lineStyle: { color: colour(colours), type: "dashed", width: 1 },
        label: { formatter: `${name} ${value}`, position: name === "warn" ? "insideStartBottom" : "insideStartTop", distance: [22, 3], padding: [1, 3],
          backgroundColor: colour("surface"), color: colour(colours), fontSize: 11 },
      });
      const [warn_z, critical_z] = this.limits;
      const limits = [];
      if (warn_z !== null) limits.push(limit(warn_z, "warn", "warn"));
      if (critical_z !== null) limits.push(limit(critical_z, "critical", "bad"));
      const highest = Math.max(1, warn_z ?? 0, critical_z ?? 0) * 1.25;
      const mark = (name, data, colours, symbol) => ({
        type: "scatter", name, data, symbol, symbolSize: 11, z: 6,
        itemStyle: { color: colour(colours), borderColor: colour("surface"), borderWidth: 1.5 },
        tooltip: { trigger: "item", formatter: ({ data: { tick } }) => this.tip(tick) },
      });
      const band = { type: "line", stack: "band", stackStrategy: "all", symbol: "none", silent: true, z: 1,
        lineStyle: { opacity: 0 }, tooltip: { show: false } };
      this.chart.setOption({
        animation: false,
        useUTC: true,
        textStyle: text,
        axisPointer: { link: [{ xAxisIndex: "all" }], lineStyle: { color: colour("muted") } },
        legend: { top: 0, left: 4, itemWidth: 14, itemHeight: 8, itemGap: 14, textStyle: text, selectedMode: true,
          inactiveColor: colour("edge"),
          data: [{ name: "Price", icon: STROKE }, { name: "VWAP", icon: STROKE },
            { name: "VWAP ± 2σ", icon: "roundRect" }, { name: "Bid, ask", icon: STROKE },
            { name: "Warned" }, { name: "Rejected" }] },
        tooltip: { trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: colour("surface"),
          borderColor: colour("edge"), textStyle: { color: colour("text"), fontSize: 12 },
          formatter: (all) => this.tip([all].flat().find(({ seriesName }) => seriesName === "Price")?.dataIndex) },
        title: [title("Spread", "66%"), title("z", "79%")],
        grid: [grid(narrow ? 58 : 34, narrow ? "46%" : "54%"), grid("69%", "8%"), grid("80%", "15%")],
        xAxis: [x(0, false), x(1, false), x(2, true)],
        yAxis: [
          y(0, { min: least, max: most, axisLabel: { ...text, showMinLabel: false, showMaxLabel: false,
            formatter: (value) => this.written(value) } }),
          y(1, { min: 0, splitNumber: 1, axisLabel: { ...text, formatter: (value) => this.written(value) } }),
          y(2, { min: 0, max: ({ max }) => Math.ceil(Math.max(highest, max * 1.1)) }),
        ],
        series: [
          { ...band, name: "band floor", data: c.ts_ms.map((at, i) => [at, c.low[i]]) },
          { ...band, name: "VWAP ± 2σ", data: wide, itemStyle: { color: colour("band"), opacity: 1 },
            areaStyle: { color: colour("band"), opacity: 1 } },
          line("Bid, ask", held("bid"), "quote", { step: "end", lineStyle: { width: 1, color: colour("quote") } }),
          line("Bid, ask", held("ask"), "quote", { step: "end", lineStyle: { width: 1, color: colour("quote") } }),
          line("Price", accepted("price"), "series-1", {
            z: 4, lineStyle: { width: 1, opacity: 0.7, color: colour("series-1") } }),
          line("VWAP", accepted("vwap"), "series-2", { z: 5, lineStyle: { width: 2, color: colour("series-2") } }),
          mark("Warned", warned, "warn", "triangle"),
          mark("Rejected", rejected, "bad", "diamond"),
          line("Spread", held("spread"), "series-3", { xAxisIndex: 1, yAxisIndex: 1, step: "end" }),
          line("z", c.ts_ms.map((at, i) => [at, c.z[i]]), "series-4", { xAxisIndex: 2, yAxisIndex: 2,
            markLine: { silent: true, symbol: "none", data: limits } }),
        ],
      });
      [this.ticks, this.rejected, this.warned] = [c.ts_ms.length, rejected.length, warned.length];
      this.last = this.written(c.price.findLast((price) => price !== null));
    },
  },
};
