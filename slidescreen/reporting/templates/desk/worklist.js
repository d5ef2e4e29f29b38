// The worklist: filter, search, sort, and what is left to review.

const rows = findAll(".worklist tbody tr");
const rowNamed = new Map(rows.map((row) => [row.dataset.slide, row]));
const filter = { verdict: "", text: "", leftOnly: false };
let currentRow = null;

/** A slide of this name with its cells in this page; null if there is none. */
const slideNamed = (name) => slideOf(night.chosen ? 1 : Number(rowNamed.get(name)?.dataset.number));

/** What a signature of a slide signs: a hash of its pictures; undefined if its cells are not in this page. */
const contentOf = (name) => rowNamed.get(name)?.dataset.content;

/** The signatures that the run has of a slide, each as name and time: those that are "signed", "ended" or "withdrawn". */
const signaturesIn = (row, kind) => JSON.parse(row.dataset[kind] ?? "[]");

/** Whether a time is surely later than another. */
const isLater = (time, other) => Date.parse(time) > Date.parse(other);

/** Whether the run's review has something that is later than a time. */
const isBeforeReview = (row, time) => Date.parse(time) < Date.parse(row.dataset.reviewedAt);

/** The signature of a slide in this browser; null if there is none, or if it is of other pictures or types than there are now. */
function signatureHere(row) {
  const [review, slide] = [reviewOf(row.dataset.slide), slideNamed(row.dataset.slide)];
  const { signed } = review;
  if (signed && slide && !isOfShown(signed, slide, review)) return null;
  return signed && (hasEndedInRun(row, signed) || isWithdrawnInRun(row, signed)) ? null : signed;
}

/** Whether a signature of this browser no longer counts in the run, by the cells' types there. */
const hasEndedInRun = (row, signed) => signaturesIn(row, "ended").some(([name, time]) =>
  name === signed.reviewer && (isBeforeReview(row, signed.time) || !isLater(signed.time, time)));

/** Whether the signer has withdrawn a signature of this browser since, elsewhere. */
const isWithdrawnInRun = (row, signed) => signed.content === (row.dataset.content ?? signed.content)
  && signaturesIn(row, "withdrawn").some(([name, time]) => name === signed.reviewer && !isLater(signed.time, time));

/** How many cells this browser says something of that the run does not have yet. Without the slide's cells, the times tell it. */
function countAdded(row) {
  const [review, slide] = [reviewOf(row.dataset.slide), slideNamed(row.dataset.slide)];
  if (!slide) return Object.values(review.cells).filter((verdict) => !verdict.withdrawn && !isInReview(row, review, verdict)).length;
  return Object.keys(review.cells).filter((image) => {
    const verdict = verdictOn(review, image);
    return verdict && verdict.type !== slide.byImage.get(image)?.given;
  }).length;
}

/** Whether the run's review of a slide most likely has a verdict: a file holds it, and the review is not older. */
function isInReview(row, review, verdict) {
  const { reviewedAt } = row.dataset;
  return Boolean(reviewedAt) && isHandedOn(review, verdict) && !isLater(verdict.time, reviewedAt);
}

/** Who signed a slide in the run, without those who have withdrawn that since, in this browser. */
function signersInRun(row) {
  const { withdrawn } = reviewOf(row.dataset.slide);
  const ends = (name, signedAt) => ({ reviewer, time }) => reviewer === name && !isLater(signedAt, time);
  return signaturesIn(row, "signed").filter(([name, time]) => !withdrawn.some(ends(name, time))).map(([name]) => name);
}

const isSignedInRun = (row) => signersInRun(row).length > 0 && !countAdded(row);

/** Whether a slide is signed here, with the pictures in this page, or by a review that was given back to the run and that nothing was added to. */
function isSigned(row) {
  return (signatureHere(row) !== null && row.dataset.content !== undefined) || isSignedInRun(row);
}
const shownRows = () => findAll(".worklist tbody tr").filter((row) => !row.hidden);

function passes(row) {
  if (filter.verdict && row.dataset.verdict !== filter.verdict) return false;
  if (filter.leftOnly && isSigned(row)) return false;
  return row.dataset.slide.toLocaleLowerCase().includes(filter.text);
}

function applyFilter() {
  for (const row of rows) row.hidden = !passes(row);
  showLeft();
}

/** Of the cells that were chosen for a look: how many nobody has said anything of. */
function showCellsLeft() {
  const { cells, name } = slideOf(1);
  const review = reviewOf(name);
  const left = cells.filter((cell) => !verdictOn(review, cell.image) && !cell.given).length;
  const before = cellsToHandOn(name, review).filter(([image]) => !Object.hasOwn(review.cells, image)).length;
  const others = before ? `; the download also has ${counted(before, "cell")} of an earlier choice` : "";
  find("#left").textContent = `${left ? `${left} of ${counted(cells.length, "cell")} left to look at` : "You have looked at all cells"}${others}`;
}

function showLeft() {
  if (night.chosen) {
    showCellsLeft();
    return;
  }
  const here = rows.filter((row) => row.dataset.number);
  const left = here.filter((row) => !isSigned(row)).length;
  const elsewhere = rows.filter((row) => !row.dataset.number && !isSigned(row)).length;
  const hidden = rows.filter((row) => row.hidden).length;
  const done = elsewhere ? "All slides with cells in this page are reviewed" : "All slides are reviewed";
  const said = [left ? `${left} of ${counted(here.length, "slide")} left to review` : done];
  if (elsewhere) said.push(`${elsewhere} more not signed, without cells in this page`);
  if (hidden) said.push(`${hidden} hidden by the filter`);
  find("#left").textContent = said.join("; ");
}

/** Tick off what is signed, and say what was changed. */
function markReviewed() {
  for (const row of rows) {
    const [signed, changes] = [signatureHere(row), countAdded(row)];
    const kept = reviewOf(row.dataset.slide).signed;
    const ended = row.dataset.signed !== undefined && !signersInRun(row).length;
    const withdrawn = ended || (kept !== null && isWithdrawnInRun(row, kept) && !isSignedInRun(row));
    const mark = find(".reviewed", row);
    row.classList.toggle("is-reviewed", isSigned(row));
    mark.hidden = signed === null && !changes && !withdrawn;
    find(".given-back", row)?.toggleAttribute("hidden", ended);
    const by = row.dataset.content ? `✓ reviewed by ${signed?.reviewer}` : "signed here before, its cells are not in this page";
    const words = signed ? by : withdrawn ? "signature withdrawn, not yet signed" : "not yet signed";
    mark.textContent = changes ? `${words}, ${counted(changes, "cell")} changed or confirmed` : words;
  }
  showLeft();
}

function sortBy(column, direction) {
  const valueOf = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const [one, other] = [valueOf(a), valueOf(b)];
    const [x, y] = [Number(one), Number(other)];
    const numbers = one !== "" && other !== "" && !Number.isNaN(x) && !Number.isNaN(y);
    return direction * (numbers ? x - y : one.localeCompare(other, undefined, { numeric: true }));
  };
  find(".worklist tbody").append(...[...rows].sort(compare));
}

/** Headings become buttons; each press turns the order round. */
function makeSortable() {
  findAll(".worklist thead th").forEach((heading, column) => {
    if (!heading.dataset.sortable) return;
    const button = make("button", { type: "button", class: "sort" }, heading.textContent);
    button.addEventListener("click", () => {
      const descends = heading.getAttribute("aria-sort") === "ascending"
        || (heading.dataset.sortable === "number" && !heading.hasAttribute("aria-sort"));
      findAll(".worklist thead th").forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descends ? "descending" : "ascending");
      sortBy(column, descends ? -1 : 1);
    });
    heading.replaceChildren(button);
  });
}

/** Make a row the current one, and give it the focus. */
function goToRow(row) {
  if (!row) return;
  currentRow?.removeAttribute("aria-current");
  currentRow = row;
  row.setAttribute("aria-current", "true");
  const target = find("a", row) ?? row;
  target.focus();
  row.scrollIntoView({ block: "nearest" });
}

/** The row that is so many steps away among those that are shown. */
function rowAway(steps) {
  const shown = shownRows();
  const place = shown.indexOf(currentRow);
  if (place < 0) return shown[steps > 0 ? 0 : shown.length - 1];
  return shown[Math.min(shown.length - 1, Math.max(0, place + steps))];
}

/** The row after or before the current one, in the order shown, that has a section of its own; null at the end. */
function neighbour(number, steps) {
  const shown = shownRows().filter((row) => row.dataset.number);
  const place = shown.findIndex((row) => row.dataset.number === String(number));
  return shown[place < 0 ? 0 : place + steps] ?? null;
}

function setUpWorklist() {
  find("#tools").hidden = false;
  if (night.chosen) {
    showLeft();
    return;
  }
  makeSortable();
  for (const button of findAll(".filters button[data-verdict]")) {
    button.addEventListener("click", () => {
      filter.verdict = button.dataset.verdict;
      findAll(".filters button[data-verdict]").forEach((each) => press(each, each === button));
      applyFilter();
    });
  }
  find("#left-only").addEventListener("click", ({ currentTarget }) => {
    filter.leftOnly = !filter.leftOnly;
    press(currentTarget, filter.leftOnly);
    applyFilter();
  });
  find("#search").addEventListener("input", ({ currentTarget }) => {
    filter.text = currentTarget.value.trim().toLocaleLowerCase();
    applyFilter();
  });
  for (const row of rows) {
    row.tabIndex = -1;
    row.addEventListener("focusin", () => {
      currentRow?.removeAttribute("aria-current");
      currentRow = row;
      row.setAttribute("aria-current", "true");
    });
  }
  markReviewed();
}
