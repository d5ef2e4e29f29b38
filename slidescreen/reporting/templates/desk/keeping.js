// The browser keeps the review, for this run alone. The page warns if it cannot.

const STORES = "slidescreen review ";
const STORE = `${STORES}${night.store}`;

/** Whether the browser can keep the review, whether the page holds what neither browser nor file has, and the text that is kept. */
const keeping = { works: true, unsaved: false, text: null };

/** This tab, and when it was opened: what an earlier tab did before can be undone here, what another does meanwhile cannot. */
const TAB = Math.random().toString(36).slice(2);
const OPENED = new Date().toISOString();
const isOfAnotherTab = ({ tab, time }) => tab !== TAB && time > OPENED;

function load() {
  try {
    const text = localStorage.getItem(STORE);
    const kept = JSON.parse(text ?? "{}");
    reviews.reviewer = typeof kept.reviewer === "string" ? kept.reviewer : "";
    reviews.slides = {};
    const now = new Date().toISOString(); // earlier releases did not keep what was handed on: all of it may be
    for (const [name, review] of Object.entries(kept.slides ?? {})) put(reviews.slides, name, { ...emptyReview(name), content: undefined, handedOn: now, ...review });
    keeping.text = text;
  } catch {
    keeping.works = false;
  }
}

function save() {
  let done = isStored();
  while (!done && forgetHandedOn()) done = isStored();
  keeping.works = done;
  setUnsaved(!done);
  showKept();
}

/** While the page holds what neither browser nor file has, the browser asks before it closes the page. */
function setUnsaved(unsaved) {
  keeping.unsaved = unsaved;
  if (unsaved) window.addEventListener("beforeunload", askFirst);
  else window.removeEventListener("beforeunload", askFirst);
}

function askFirst(event) {
  event.preventDefault();
}

/** Store the review; returns whether the browser took it. */
function isStored() {
  try {
    const text = JSON.stringify(reviews);
    localStorage.setItem(STORE, text);
    keeping.text = text;
    return true;
  } catch {
    return false;
  }
}

/** Another tab has changed what is kept. What the browser could not keep of this tab stays, and so does the name that stands here. */
function loadBeside() {
  const mine = keeping.unsaved ? changedSinceKept() : [];
  const { reviewer } = reviews;
  load();
  if (reviewer) reviews.reviewer = reviewer;
  else find("#reviewer").value = reviews.reviewer;
  for (const [name, review] of mine) put(reviews.slides, name, review);
  if (keeping.unsaved) save();
}

function changedSinceKept() {
  const kept = JSON.parse(keeping.text ?? "{}").slides ?? {};
  return Object.entries(reviews.slides).filter(([name, review]) => !Object.hasOwn(kept, name) || JSON.stringify(kept[name]) !== JSON.stringify(review));
}

/** Make room: forget the oldest review of another run that a file holds, or else what the run has. Returns whether there was any. */
function forgetHandedOn() {
  try {
    const [oldest] = storesHandedOn().sort((one, other) => (one.time < other.time ? -1 : 1));
    if (oldest) localStorage.removeItem(oldest.key);
    return Boolean(oldest) || forgetInRun();
  } catch {
    return false;
  }
}

/** The reviews of other runs of which nothing is left to download, each with the time of its last download. */
function storesHandedOn() {
  const found = [];
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(STORES) && each !== STORE)) {
    const kept = Object.values(reviewsIn(localStorage.getItem(key)));
    if (kept.length && kept.every(isWhollyHandedOn)) found.push({ key, time: kept.map(({ handedOn }) => handedOn).sort().at(-1) });
  }
  return found;
}

function reviewsIn(text) {
  try {
    return JSON.parse(text).slides ?? {};
  } catch {
    return {};
  }
}

/** Forget what a file holds of slides that the run has signed, or no longer has. */
function forgetInRun() {
  const isDone = (name) => !rowNamed.has(name) || isSignedInRun(rowNamed.get(name));
  const done = night.chosen ? [] : Object.keys(reviews.slides).filter((name) => isWhollyHandedOn(reviews.slides[name]) && isDone(name) && name !== current?.name);
  for (const name of done) delete reviews.slides[name];
  return done.length > 0;
}

/** Whether a file holds all of a review. A comment without signature is in no file. */
function isWhollyHandedOn(review) {
  const { signed, comment, handedOn } = review;
  return Boolean(handedOn) && (signed || !comment.trim()) && allSaid(review).every(({ time, unsent }) => !unsent && time <= handedOn);
}

function showKept() {
  const note = find("#kept");
  note.textContent = keeping.works ? `Your review is kept in this browser, for ${night.chosen ? "these cells" : "this run"} alone. Download it to hand it on.` : "";
  find("#unkept").hidden = keeping.works;
}

/** The warning stands above whatever the page shows. */
function setUpKeeping() {
  const button = make("button", { type: "button", onclick: download }, "Download corrections");
  const warning = make("div", { class: "unkept", id: "unkept", role: "alert", hidden: true },
    "This browser cannot keep your review. Download the corrections before you close or reload the page.", button);
  document.body.prepend(warning);
  new ResizeObserver(() => document.documentElement.style.setProperty("--warning", `${warning.offsetHeight}px`)).observe(warning);
  showKept();
}
