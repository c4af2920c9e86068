// The element <related-stories>: asks for its list when it comes near the screen, one block after the other.

const TAG = "related-stories";
const PARAMETERS = ["policy", "min_relevance", "section", "language", "type", "published_after", "published_before",
  "fallback", "block"];
const NEAR = "1000px";
const WAIT = 8000;
const SURPLUS = 20; // so many stories that the page links already can be left out, and the list is full all the same
const EXCLUDED = 100; // more would make the address too long; what they leave is left out here

const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);
const shown = new Map(); // the stories of each block on the page
const empty = new Set(); // the blocks that have no list
let queue = Promise.resolve();

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) {
      near.unobserve(target);
      target.load();
    }
  }
}, { rootMargin: NEAR });

// One spelling a page, as far as links differ in practice.
const key = (address) => {
  const { host, pathname, searchParams } = new URL(address, document.baseURI);
  for (const name of [...searchParams.keys()]) if (/^(utm_.*|fbclid|gclid)$/.test(name)) searchParams.delete(name);
  return `${host}${pathname.replace(/\/$/, "")}?${searchParams}`;
};

class RelatedStories extends HTMLElement {
  static observedAttributes = ["article", "url", "unit", "limit", "layout", "heading", ...PARAMETERS];
  #root = this.attachShadow({ mode: "open" });
  #frame = el("div");
  #data = null; // the list for search engines
  #asked = 0; // how often a list was asked for: the answer to an older question is dropped
  #reserve = 0; // px that are kept whatever stands in them

  connectedCallback() {
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.replaceChildren(this.#frame);
    if (!this.#frame.firstChild) this.#frame.append(this.firstElementChild ? el("slot") : this.#placeholders());
    near.observe(this);
  }

  disconnectedCallback() {
    this.#asked += 1;
    this.#forget();
    near.unobserve(this);
  }

  attributeChangedCallback() {
    if (this.#asked && this.isConnected) this.load();
  }

  load() {
    const question = ++this.#asked;
    const current = () => question === this.#asked;
    const nothing = () => current() && this.#drawNothing();
    queue = queue.then(() => current() && this.#fill(current, nothing)).catch(nothing);
  }

  get #limit() {
    return Number(this.getAttribute("limit") ?? 6);
  }

  get #heading() {
    return this.getAttribute("heading") ?? "Related stories";
  }

  async #fill(current, nothing) {
    const unit = this.getAttribute("unit");
    const [taken, list] = await this.#list(unit);
    const teasers = list.items.map((each) => each.teaser).filter((each) => safe(each.url) && !taken(each));
    if (!teasers.length) nothing();
    else if (current()) this.#show(teasers.slice(0, this.#limit), list.token, unit);
  }

  // What the page shows already, as a question about a teaser, and a list of other stories, longer than asked for.
  async #list(unit) {
    const elsewhere = [...shown].filter(([other]) => other !== this).flatMap(([, teasers]) => teasers);
    const linked = this.#linked();
    const taken = ({ id, url }) => linked.has(key(url)) || elsewhere.some((each) => each.id === id || each.url === url);
    const exclude = elsewhere.slice(-EXCLUDED).map((each) => each.id);
    const limit = Math.min(50, this.#limit + Math.min(SURPLUS, linked.size));
    if (!unit) return [taken, await this.#ask({ limit, exclude })];
    if (linked.size) { // a list that is written down holds no story that is left out afterwards
      const { items } = await this.#ask({ limit, exclude, fields: "url" });
      exclude.push(...items.filter((each) => taken(each.teaser)).map((each) => each.teaser.id));
    }
    return [taken, await this.#ask({ limit: this.#limit, exclude, unit })];
  }

  async #ask(more) {
    const query = new URLSearchParams();
    const given = { id: this.getAttribute("article"), url: this.getAttribute("url"), ...more };
    for (const name of PARAMETERS) given[name] = this.getAttribute(name);
    for (const [name, value] of Object.entries(given)) {
      for (const each of [value].flat()) if (each) query.append(name, each);
    }
    const options = { credentials: "omit", signal: AbortSignal.timeout(WAIT) };
    const answer = await fetch(new URL(`v1/related?${query}`, SERVICE), options);
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  // The pages that the article's body, or a block that the server rendered, links to.
  #linked() {
    const body = this.getAttribute("body-selector") ?? "article a[href]";
    const links = [...document.querySelectorAll(`${body}, .related-stories a[href]`)];
    return new Set(links.filter((each) => safe(each.href) && !each.closest(TAG)).map((each) => key(each.href)));
  }

  #show(teasers, token, unit) {
    const section = this.#block(teasers.map(story));
    const told = new Set();
    const tell = (event, name) => {
      if (!token || this.getAttribute("unit") !== unit || told.has(name)) return; // once, and while consent lasts
      told.add(name);
      report(token, event);
    };
    section.querySelectorAll("a").forEach((link, at) => {
      const { id } = teasers[at];
      const clicked = ({ button }) => button < 2 && tell({ kind: "click", article_id: id }, id);
      for (const kind of ["click", "auxclick"]) link.addEventListener(kind, clicked);
    });
    this.#draw(section, () => document.hidden || tell({ kind: "view" }, ""));
    shown.set(this, teasers);
    if (this.querySelector("[type='application/ld+json']")) return; // the server's
    try {
      this.#data = itemList(this.#heading, teasers);
      this.append(this.#data);
    } catch {
      // the page's policy wants none
    }
  }

  #block(items) {
    return block(this.#heading, this.getAttribute("layout") ?? "list", items);
  }

  #placeholders() {
    const section = this.#block(Array.from({ length: this.#limit }, placeholder));
    section.setAttribute("aria-busy", "true");
    return section;
  }

  // Puts an element in the place of the one there, without moving what the reader sees below it.
  #draw(content, seen) {
    this.#reserve = Math.max(this.#reserve, this.#frame.offsetHeight);
    this.#forget();
    this.#frame.replaceChildren(content);
    this.#settle();
    watch(content.matches("slot") ? this.#frame : content, seen, () => this.#settle());
  }

  // Each empty block may have been kept in its place only because of the others' heights.
  #drawNothing() {
    this.#draw(el("slot"), () => {});
    empty.add(this);
    for (const each of empty) each.#settle();
  }

  // Of the height that was reserved, keeps what reaches into the screen and gives back the rest. An empty block keeps
  // none once it is above the screen, where the browser holds what is seen in its place, nor where the reader cannot
  // scroll past it: its blank would never leave the screen.
  #settle() {
    const { top, bottom } = this.#frame.getBoundingClientRect();
    const { scrollHeight, scrollTop } = document.scrollingElement;
    const passed = bottom <= 0 && window.CSS.supports("overflow-anchor", "auto");
    const stays = scrollHeight - scrollTop - bottom < innerHeight;
    this.#reserve = empty.has(this) && (passed || stays) ? 0 : Math.max(0, Math.min(this.#reserve, innerHeight - top));
    this.#frame.style.minBlockSize = `${this.#reserve}px`;
  }

  #forget() {
    for (const each of [this.#frame, this.#frame.firstChild]) unwatch(each);
    shown.delete(this);
    empty.delete(this);
    this.#data?.remove();
  }
}

customElements.define(TAG, RelatedStories);
