// The page's own end: whether the server answers, whether the tab is looked at, and the theme.
const SILENT_MS = 8000;
const CHECK_MS = 500;
const THEMES = ["system", "light", "dark"];

function recall(store, key) {
  try {
    return JSON.parse(store.getItem(key));
  } catch {
    return null; // Storage may be forbidden, or hold something else.
  }
}

function keep(store, key, value) {
  try {
    store.setItem(key, JSON.stringify(value));
  } catch {
    // Then it lasts as long as the page.
  }
}

export default {
  template: `
    <div class="link">
      <fieldset class="themes">
        <legend class="unseen">Theme</legend>
        <label v-for="name in themes" :key="name">
          <input type="radio" name="theme" :value="name" :checked="name === theme" @change="choose(name)" />
          <span>{{ name[0].toUpperCase() + name.slice(1) }}</span>
        </label>
      </fieldset>
      <Teleport to="body">
        <div role="status" aria-live="polite" class="lost" :class="{ shown: lost }" data-part="server-banner">
          <span v-if="lost">The server has not answered since {{ since }} UTC. What you see is from then;
            trying again.</span>
        </div>
      </Teleport>
    </div>
  `,
  data() {
    return { themes: THEMES, theme: "system", lost: false, since: "" };
  },
  mounted() {
    const theme = recall(localStorage, "tapeline.theme");
    this.choose(THEMES.includes(theme) ? theme : "system");
    this.heard = Date.now();
    this.check = setInterval(this.listen, CHECK_MS);
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  },
  beforeUnmount() {
    clearInterval(this.check);
    document.removeEventListener("visibilitychange", this.seen);
  },
  methods: {
    beat() {
      this.heard = Date.now();
      this.listen();
    },
    listen() {
      // A hidden tab is told nothing, so its silence says nothing.
      if (document.hidden) this.heard = Date.now();
      const connected = window.socket?.connected !== false || !window.did_handshake;
      const lost = !connected || Date.now() - this.heard > SILENT_MS;
      if (lost && !this.lost) this.since = new Date(this.heard).toISOString().slice(11, 19);
      if (lost !== this.lost) document.body.classList.toggle("stale", lost);
      this.lost = lost;
    },
    seen() {
      this.heard = Date.now();
      const chosen = recall(sessionStorage, "tapeline.symbol");
      this.$emit("seen", { visible: !document.hidden, feed: chosen?.feed, symbol: chosen?.symbol });
    },
    remember(feed, symbol) {
      keep(sessionStorage, "tapeline.symbol", { feed, symbol });
    },
    choose(name) {
      this.theme = name;
      keep(localStorage, "tapeline.theme", name);
      setDark({ system: undefined, light: false, dark: true }[name]);
    },
  },
};
