// Draws a block from the stories of a list: the same elements and classes as fragment.html, text always as text.
// CSS, RTL and SERVICE stand above: service/widget/script.py puts them there.

const UNITS = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

// Pages that require trusted types want a script's text to be vouched for, also where nothing runs it.
let trusted;
try {
  trusted = trustedTypes.createPolicy("related-stories", { createScript: (text) => text });
} catch {
  // no trusted types here, or none of this name allowed
}

const el = (name, className, ...children) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
};

// An address that a reader may be sent to, absolute; "" for any other.
const safe = (address) => {
  try {
    const url = new URL(address, document.baseURI);
    return address && /^https?:$/.test(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
};

const direction = (language) => (language ? (RTL.has(language) ? "rtl" : "ltr") : "auto");

// How old a story is, in its own language; its date where the browser does not know the language.
const age = ({ age_label: label, language, published_at: at }) => {
  if (!at || !language || language === "en") return label;
  const seconds = Math.max(0, (Date.now() - new Date(at)) / 1000);
  const [unit, size] = UNITS.find((each) => seconds >= each[1]) ?? UNITS.at(-1);
  try {
    const [known] = Intl.RelativeTimeFormat.supportedLocalesOf(language);
    if (known) return new Intl.RelativeTimeFormat(known).format(-Math.floor(seconds / size), unit);
  } catch {
    // no language code at all
  }
  return at.slice(0, 10);
};

const picture = ({ image }) => {
  if (!safe(image?.url)) return [];
  const img = el("img");
  Object.assign(img, { alt: image.alt, loading: "lazy", decoding: "async", onerror: () => img.remove() });
  img.src = safe(image.url);
  return [el("div", "picture", img)];
};

const paragraph = (name, ...content) => (content[0] ? [el("p", name, ...content)] : []);

const story = (teaser) => {
  const link = el("a", "", teaser.headline);
  link.href = safe(teaser.url);
  const time = el("time", "", age(teaser));
  time.dateTime = teaser.published_at ?? "";
  const item = el("li", "", ...picture(teaser), el("div", "words",
    ...paragraph("kicker", teaser.kicker), el("h3", "", link), ...paragraph("standfirst", teaser.standfirst),
    ...paragraph("age", teaser.published_at ? time : "")));
  if (teaser.language) item.lang = teaser.language;
  item.dir = direction(teaser.language);
  return item;
};

// As tall as any story can become: what the space for a list is reserved with.
const placeholder = () => el("li", "", el("div", "picture"), el("div", "words",
  el("p", "kicker"), el("h3"), el("p", "standfirst"), el("p", "age")));

const block = (heading, layout, items) => {
  const list = el("ol", "", ...items);
  list.setAttribute("role", "list");
  const made = el("section", "related-stories", ...(heading ? [el("h2", "", heading)] : []), list);
  made.dataset.layout = layout;
  return made;
};

const itemList = (heading, teasers) => {
  const script = el("script");
  script.type = "application/ld+json";
  const items = teasers.map((each, at) => (
    { "@type": "ListItem", position: at + 1, url: safe(each.url), name: each.headline }));
  const list = { "@context": "https://schema.org", "@type": "ItemList", name: heading, itemListElement: items };
  const text = JSON.stringify(list).replace(/[<>&]/g, (each) => `\\u00${each.charCodeAt().toString(16)}`);
  script.text = trusted ? trusted.createScript(text) : text;
  return script;
};
