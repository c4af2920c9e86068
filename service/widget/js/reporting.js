// Tells the service what became of a reader's own list, by the list's token; of any other list, nothing.

const SECOND = 1000;
const watched = new Map(); // by element: what to do once it was seen, what when it is out of sight, since when it is in

const report = (token, event) => {
  const sent = { ...event, token, occurred_at: new Date().toISOString() };
  navigator.sendBeacon(new URL("v1/events", SERVICE), JSON.stringify({ events: [sent] }));
};

// Half of the block, or of the screen where the block is taller.
const halfSeen = ({ isIntersecting, intersectionRect, boundingClientRect, rootBounds }) => {
  const whole = Math.min(boundingClientRect.height, rootBounds?.height ?? innerHeight);
  return isIntersecting && intersectionRect.height >= whole / 2 - 0.5;
};

const begin = (each, time) => {
  each.since = time;
  each.timer = setTimeout(each.seen, SECOND);
};

const end = (each, time) => {
  clearTimeout(each.timer);
  each.timer = 0;
  if (time - each.since >= SECOND) each.seen(); // the timer was late
};

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const each = watched.get(entry.target);
    if (!each) continue;
    const seen = halfSeen(entry);
    if (seen && !each.timer) begin(each, entry.time);
    if (!seen && each.timer) end(each, entry.time);
    if (!entry.isIntersecting) each.left();
  }
}, { threshold: Array.from({ length: 21 }, (_, at) => at / 40) });

const watch = (element, seen, left) => {
  watched.set(element, { seen, left });
  sight.observe(element);
};

const unwatch = (element) => {
  clearTimeout(watched.get(element)?.timer);
  watched.delete(element);
  sight.unobserve(element);
};

// A tab in the background shows nothing; back in front, its second begins anew.
document.addEventListener("visibilitychange", () => {
  for (const [element, { seen, left }] of [...watched]) {
    unwatch(element);
    watch(element, seen, left);
  }
});
