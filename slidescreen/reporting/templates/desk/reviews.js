// What the reviewer has changed, confirmed and signed. The browser keeps it, for this run alone.

const STORE = `slidescreen review ${night.store}`;
const MOST_UNDONE = 200;
const reviews = { reviewer: "", slides: {} };
let storageWorks = true;

/** Set a slide's or an image's entry. By definition and not by assignment: it may be named __proto__. */
function put(entries, name, value) {
  Object.defineProperty(entries, name, { value, enumerable: true, configurable: true, writable: true });
  return value;
}

const emptyReview = (name) => ({ cells: {}, signed: null, comment: "", log: [], content: contentOf(name) });
const keptOf = (name) => (Object.hasOwn(reviews.slides, name) ? reviews.slides[name] : emptyReview(name));

/** A slide's review, as far as it is of the pictures in this page. */
const reviewOf = (name) => ofThesePictures(name, keptOf(name));

/** A slide's review, to be changed. */
const openReview = (name) => put(reviews.slides, name, reviewOf(name));

/** What still holds of a kept review. A slide without cells in this page has nothing to compare it with. */
function ofThesePictures(name, kept) {
  const [slide, content] = [slideNamed(name), contentOf(name)];
  if (!slide || (content && kept.content === content)) return kept;
  const cells = {};
  let changed = false;
  for (const [image, verdict] of Object.entries(kept.cells)) {
    const cell = pictureSeen(slide, image, verdict);
    if (cell) put(cells, cell.image, cell.image === image ? verdict : { ...verdict, place: cell.place });
    else if (night.chosen && !slide.byImage.has(image)) put(cells, image, verdict); // of another choice of cells
    changed ||= cell ? cell.image !== image : !Object.hasOwn(cells, image);
  }
  const signed = kept.signed?.content === content ? kept.signed : null;
  if (!changed && signed === kept.signed) return Object.assign(kept, { content });
  return { ...kept, cells, signed, comment: signed === kept.signed ? kept.comment : "", log: [], content };
}

/** The cell that a verdict is of: the one of its name, unless that is another picture now, or else one with its picture. */
function pictureSeen(slide, image, { content }) {
  const named = slide.byImage.get(image);
  if (named && (!content || !named.content || named.content === content)) return named;
  return content ? slide.cells.find((cell) => cell.content === content) : undefined;
}

/** What was said of a cell: its type, what the classifier had called it, and when; null if nothing. */
function verdictOn(review, image) {
  return Object.hasOwn(review.cells, image) ? review.cells[image] : null;
}

/** A cell's type by this review, or else by one that was given back to the run, or else by the classifier. */
const typeNow = (review, cell) => verdictOn(review, cell.image)?.type ?? (cell.given || cell.type);

function setVerdict(review, image, verdict) {
  if (verdict === null) delete review.cells[image];
  else put(review.cells, image, verdict);
}

/** Give cells of a slide a type; `AS_LABELLED`: each its label's; null: confirm each as it is. A signature under what was before no longer holds. */
function giveType(slide, cells, type) {
  const review = openReview(slide.name);
  const time = new Date().toISOString();
  const before = cells.map((cell) => [cell.image, verdictOn(review, cell.image)]);
  let changed = 0;
  for (const cell of cells) {
    const wanted = type === AS_LABELLED ? labelOf(cell) : (type ?? typeNow(review, cell));
    if (wanted === null || wanted === verdictOn(review, cell.image)?.type) continue;
    setVerdict(review, cell.image, { type: wanted, previous: cell.type, time, place: cell.place, content: cell.content, reviewer: reviews.reviewer });
    changed += 1;
  }
  if (!changed) return 0;
  review.log.push({ before, signed: review.signed });
  review.log.splice(0, review.log.length - MOST_UNDONE);
  review.signed = null;
  save();
  return changed;
}

/** Take the last change of a slide back. Returns the images that it was about. */
function undo(slide) {
  const review = openReview(slide.name);
  const last = review.log.pop();
  if (!last) return [];
  for (const [image, verdict] of last.before) setVerdict(review, image, verdict);
  review.signed = last.signed;
  if (review.signed && commentOf(review) !== review.comment.trim()) review.signed = null;
  save();
  return last.before.map(([image]) => image);
}

function sign(slide, reviewer, comment) {
  const review = openReview(slide.name);
  review.signed = { reviewer, time: new Date().toISOString(), content: contentOf(slide.name), comment };
  review.comment = comment;
  for (const verdict of Object.values(review.cells)) verdict.reviewer ||= reviewer;
  save();
}

function withdrawSignature(slide) {
  openReview(slide.name).signed = null;
  save();
}

/** Keep what is typed. Another comment than the signed one takes the signature back; returns whether it did. */
function setComment(slide, comment) {
  const review = openReview(slide.name);
  const ends = review.signed !== null && comment.trim() !== commentOf(review);
  if (ends) review.signed = null;
  review.comment = comment;
  save();
  return ends;
}

/** The comment under a signature. Earlier releases did not keep it with the signature. */
const commentOf = (review) => review.signed.comment ?? review.comment;

/** Whether someone gave a cell a type on another slide without a name; it must not get the name of who signs this one. */
const namelessBeside = (slide) => Object.entries(reviews.slides).some(([name, review]) =>
  name !== slide.name && Object.values(review.cells).some((verdict) => !verdict.reviewer));

function setReviewer(reviewer) {
  reviews.reviewer = reviewer;
  save();
}

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    reviews.reviewer = typeof kept.reviewer === "string" ? kept.reviewer : "";
    reviews.slides = {};
    for (const [name, review] of Object.entries(kept.slides ?? {})) put(reviews.slides, name, { ...emptyReview(name), content: undefined, ...review });
  } catch {
    storageWorks = false;
  }
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(reviews));
    storageWorks = true;
  } catch {
    storageWorks = false;
  }
  showKept();
}

function showKept() {
  const kept = `Your review is kept in this browser, for ${night.chosen ? "these cells" : "this run"} alone. Download it to hand it on.`;
  const lost = "This browser keeps nothing. Download your corrections before you close the page.";
  const note = find("#kept");
  note.textContent = storageWorks ? kept : lost;
  note.classList.toggle("drift", !storageWorks);
}
