// What the reviewer has changed, confirmed and signed.

const MOST_UNDONE = 200;
const reviews = { reviewer: "", slides: {} };

/** Set a slide's or an image's entry. By definition and not by assignment: it may be named __proto__. */
function put(entries, name, value) {
  Object.defineProperty(entries, name, { value, enumerable: true, configurable: true, writable: true });
  return value;
}

const emptyReview = (name) => ({ cells: {}, signed: null, withdrawn: [], comment: "", log: [], content: contentOf(name), handedOn: "" });
const keptOf = (name) => (Object.hasOwn(reviews.slides, name) ? reviews.slides[name] : emptyReview(name));

/** A slide's review, as far as it is of the pictures in this page. */
const reviewOf = (name) => ofThesePictures(name, keptOf(name));

/** A slide's review, to be changed. */
const openReview = (name) => put(reviews.slides, name, reviewOf(name));

/**
 * What holds of a kept review here. A slide without cells in this page has nothing to compare it with. What is of other pictures stands
 * aside, for a page that has them: `elsewhere` are cells, each with its image, and `signings` are signatures with their comments.
 */
function ofThesePictures(name, kept) {
  const [slide, content] = [slideNamed(name), contentOf(name)];
  if (!slide || (content && kept.content === content)) return kept;
  const { cells, elsewhere, replaced } = cellsSeen(slide, kept);
  const signings = [...(kept.signings ?? []), ...(kept.signed ? [{ signed: kept.signed, comment: kept.comment }] : [])];
  const mine = signings.findLast(({ signed }) => signed.content === content);
  const signed = mine?.signed ?? null;
  if (signed === kept.signed && isSame(cells, kept.cells)) return Object.assign(kept, { content });
  const comment = mine?.comment ?? (kept.signed ? "" : kept.comment);
  const others = signings.filter((each) => each !== mine);
  return { ...kept, cells, elsewhere, signed, signings: others, comment, log: replaced ? [] : kept.log, content };
}

/** The kept cells of a review, as far as they are in this page, the others, and whether a name is another picture's now. Of two on one picture the later counts. */
function cellsSeen(slide, kept) {
  const [cells, elsewhere] = [{}, []];
  let replaced = false;
  for (const [image, verdict] of [...Object.entries(kept.cells), ...(kept.elsewhere ?? [])]) {
    const cell = pictureSeen(slide, image, verdict);
    replaced ||= cell ? cell.image !== image : slide.byImage.has(image);
    if (!cell) elsewhere.push([image, verdict]);
    else if (!Object.hasOwn(cells, cell.image) || cells[cell.image].time < verdict.time) {
      put(cells, cell.image, cell.image === image ? verdict : { ...verdict, place: cell.place });
    }
  }
  return { cells, elsewhere, replaced };
}

const isSame = (cells, others) => Object.keys(cells).length === Object.keys(others).length
  && Object.entries(cells).every(([image, verdict]) => Object.hasOwn(others, image) && others[image] === verdict);

/** The cell that a verdict is of: the one of its name, unless that is another picture now, or else one of the slide with its picture. */
function pictureSeen(slide, image, { content, place }) {
  const named = slide.byImage.get(image);
  if (named && (!content || !named.content || named.content === content)) return named;
  return content ? slide.cells.find((cell) => cell.content === content && cell.place?.[0] === place?.[0]) : undefined;
}

/** What is kept of a cell: its type, what the classifier had called it, and when, also if that is withdrawn; null if nothing. */
const entryOn = (review, image) => (Object.hasOwn(review.cells, image) ? review.cells[image] : null);

/** What was said of a cell, and not withdrawn. */
function verdictOn(review, image) {
  const entry = entryOn(review, image);
  return entry?.withdrawn ? null : entry;
}

/** How many cells something was said of. */
const countSaid = (review) => Object.values(review.cells).filter(({ withdrawn }) => !withdrawn).length;

/** A cell's type by this review, or else by one that was given back to the run, or else by the classifier. */
const typeNow = (review, cell) => verdictOn(review, cell.image)?.type ?? (cell.given || cell.type);

const hashedTypes = new Map();

/** What a signature of a slide signs beside its pictures: a hash of the types that the page shows. `signed_types` makes the same. */
function typesOf(slide, review) {
  const types = slide.cells.map((cell) => typeNow(review, cell));
  const shown = types.join();
  if (hashedTypes.get(slide)?.shown !== shown) {
    const lines = slide.cells.map(({ image, content }, at) => `${content || inAscii(image)} ${types[at]}`).sort();
    hashedTypes.set(slide, { shown, hash: sha256(lines.join("\n")) });
  }
  return hashedTypes.get(slide).hash;
}

/** A text as in JSON, in ASCII alone: so it is sorted everywhere alike. */
const inAscii = (text) => JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Whether a signature is of the pictures and types that this page shows. Those of earlier releases do not tell the types. */
const isOfShown = (signature, slide, review) =>
  signature.content === contentOf(slide.name) && (!signature.types || signature.types === typesOf(slide, review));

function setVerdict(review, image, verdict) {
  if (verdict === null) delete review.cells[image];
  else put(review.cells, image, verdict);
}

/** Give cells of a slide a type; `AS_LABELLED`: each its label's; null: confirm each as it is. A signature under what was before no longer holds. */
function giveType(slide, cells, type) {
  const review = openReview(slide.name);
  const time = new Date().toISOString();
  const before = [];
  for (const cell of cells) {
    const [verdict, now] = [verdictOn(review, cell.image), typeNow(review, cell)];
    const wanted = type === AS_LABELLED ? labelOf(cell) : (type ?? now);
    if (wanted === null || (wanted === verdict?.type && !isContradicted(review, cell))) continue;
    before.push([cell.image, entryOn(review, cell.image), now]);
    setVerdict(review, cell.image, { type: wanted, previous: cell.type, time, place: cell.place, content: cell.content, reviewer: reviews.reviewer });
  }
  if (!before.length) return 0;
  review.log.push({ before, signed: review.signed, time, tab: TAB });
  review.log.splice(0, review.log.length - MOST_UNDONE);
  endSignature(review, time);
  save();
  return before.length;
}

/** Whether a file may hold what was said at this time: only a later row takes it back, not its absence. */
const isHandedOn = (review, said) => Boolean(said.instead) || (!said.unsent && said.time <= review.handedOn);

/** Whether the run has another type of a cell than this review handed on: it does not tell which is the later. */
function isContradicted(review, cell) {
  const verdict = verdictOn(review, cell.image);
  return Boolean(verdict && cell.given && cell.given !== verdict.type && isHandedOn(review, verdict));
}

/** The place in the log of the last change that can be undone in this page: it is not another tab's, the page shows all its cells, and no later change is of them. */
function lastChange(slide, review) {
  const later = new Set();
  return review.log.findLastIndex((change) => {
    const images = change.before.map(([image]) => image);
    const isLast = !isOfAnotherTab(change) && images.every((image) => slide.byImage.has(image) && !later.has(image));
    images.forEach((image) => later.add(image));
    return isLast;
  });
}

/** A row that says the type before a change that was handed on. A mere confirmation of the call is withdrawn. */
function saidInstead(undone, before, type, time) {
  const wanted = before?.type ?? type ?? undone.previous;
  return { ...undone, type: wanted, time, instead: true, withdrawn: wanted === undone.type && wanted === undone.previous };
}

/** Take the last change of a slide back. Returns the images that it was about. */
function undo(slide) {
  const review = openReview(slide.name);
  const at = lastChange(slide, review);
  if (at < 0) return [];
  const [{ before, signed }] = review.log.splice(at, 1);
  const time = new Date().toISOString();
  let restored = ![review.signed, signed && withdrawalOf(review, signed)].some((said) => said && isHandedOn(review, said));
  for (const [image, verdict, type] of before) {
    const undone = entryOn(review, image);
    const told = undone !== null && isHandedOn(review, undone);
    setVerdict(review, image, told ? saidInstead(undone, verdict, type, time) : verdict);
    restored &&= !told;
  }
  endSignature(review, time);
  if (restored && signed && isOfShown(signed, slide, review) && (signed.comment ?? review.comment).trim() === review.comment.trim()) holdSignature(review, signed);
  save();
  return before.map(([image]) => image);
}

/** A file holds this slide's review now. What has no name yet keeps the one that the file gives it. What is of other pictures is in no file. */
function noteHandedOn(name) {
  const review = openReview(name);
  const verdicts = cellsToHandOn(name, review).map(([, verdict]) => verdict);
  for (const said of allSaid(review)) if (said.time > review.handedOn) said.unsent = true;
  for (const said of [...verdicts, ...review.withdrawn.filter(isInFile(name)), review.signed]) delete said?.unsent;
  for (const verdict of verdicts) verdict.reviewer ||= reviews.reviewer;
  const times = [...verdicts, ...review.withdrawn, ...(review.signed ? [review.signed] : [])].map(({ time }) => time);
  review.handedOn = [new Date().toISOString(), ...times].reduce((one, other) => (other > one ? other : one));
}

/** What this page says of cells, with their images. A page of chosen cells also has what was said of those that another choice had. */
function cellsToHandOn(name, review) {
  const slide = slideNamed(name);
  const here = Object.entries(review.cells).filter(([image]) => !slide || slide.byImage.has(image));
  const before = night.chosen ? (review.elsewhere ?? []).filter(([image, { place }]) => place && !slide.byImage.has(image)) : [];
  return [...here, ...before];
}

/** Whether this page hands on that a signature of a slide is withdrawn: only if it is of the pictures here. */
const isInFile = (name) => ({ content }) => !slideNamed(name) || content === contentOf(name);

/** All that is kept of a slide, whatever its pictures. */
const allSaid = ({ cells, elsewhere, signed, signings, withdrawn }) => [
  ...Object.values(cells), ...(elsewhere ?? []).map(([, verdict]) => verdict),
  ...(signed ? [signed] : []), ...(signings ?? []).map((each) => each.signed), ...(withdrawn ?? []),
];

/** Sign what the page shows: what contradicts the run is said anew. */
function sign(slide, reviewer, comment) {
  const review = openReview(slide.name);
  const time = new Date().toISOString();
  for (const cell of slide.cells) if (isContradicted(review, cell)) Object.assign(verdictOn(review, cell.image), { time, instead: true });
  const signature = { reviewer, time, content: contentOf(slide.name), types: typesOf(slide, review), comment };
  holdSignature(review, { ...signature, instead: isSignedElsewhere(slide, review, signature) });
  review.comment = comment;
  for (const verdict of Object.values(review.cells)) verdict.reviewer ||= reviewer;
  save();
}

/** Whether a person's signature was given back to the run and is not withdrawn here. */
const hasSignedInRun = (slide, reviewer) => signersInRun(rowNamed.get(slide.name)).includes(reviewer);

/** Withdraw the signature in this browser; else the reviewer's own that the run has. */
function withdrawSignature(slide) {
  const review = openReview(slide.name);
  if (!review.signed && hasSignedInRun(slide, reviews.reviewer)) {
    review.signed = { reviewer: reviews.reviewer, time: "", content: contentOf(slide.name) }; // no time: it is in the run
  }
  endSignature(review);
  save();
}

const isOf = (signature) => ({ reviewer, content }) => reviewer === signature.reviewer && content === signature.content;
const withdrawalOf = (review, signature) => review.withdrawn.find(isOf(signature));

/** Whether the run, or a file, may have an earlier signature of the same person: it must not stand when the new one ends. */
function isSignedElsewhere(slide, review, signature) {
  const { signed } = review;
  const isSame = signed !== null && isOf(signature)(signed) && isHandedOn(review, signed);
  return isSame || withdrawalOf(review, signature) !== undefined || hasSignedInRun(slide, signature.reviewer);
}

function holdSignature(review, signature) {
  review.withdrawn = review.withdrawn.filter((each) => !isOf(signature)(each));
  review.signed = signature;
}

/** The signature no longer holds. If it was handed on, the next file withdraws it. */
function endSignature(review, time = new Date().toISOString()) {
  const { signed } = review;
  review.signed = null;
  if (!signed || !isHandedOn(review, signed)) return;
  const others = review.withdrawn.filter((each) => !isOf(signed)(each));
  review.withdrawn = [...others, { reviewer: signed.reviewer, content: signed.content, time }];
}

/** Keep what is typed. Another comment than the signed one takes the signature back; returns whether it did. */
function setComment(slide, comment) {
  const review = openReview(slide.name);
  const ends = review.signed !== null && comment.trim() !== commentOf(review);
  if (ends) endSignature(review);
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
