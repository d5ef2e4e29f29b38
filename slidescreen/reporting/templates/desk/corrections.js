// Out: corrections.csv, which `slidescreen report --corrections` reads.

const COLUMNS = ["slide", "image", "cell_type", "previous_type", "reviewer", "time", "comment", "run", "content", "signed_types"];
const FORMULA = /^\s*[=+\-@\t\r\n＝＋－＠]|^'/;

/** Text that a spreadsheet shows and does not run, as the other tables of a run hold it. */
const neutralised = (text) => (FORMULA.test(text) ? `'${text}` : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The picture's or slide's content, as a spreadsheet leaves it alone, and before it whether the row withdraws what was said of it. */
const contentCell = (content, withdrawn) => [withdrawn ? "withdrawn" : "", content ? `sha256:${content}` : ""].filter(Boolean).join(" ");

/** The reviewed slides that this page has. */
const namesHere = () => Object.keys(reviews.slides).filter((name) => (slideNamed(name)?.name ?? rowNamed.get(name)?.dataset.slide) === name);

/** One row a changed or confirmed cell, one a signed slide, one what is withdrawn. What this page no longer holds is left out: the run would refuse it. */
function correctionRows() {
  const found = [];
  for (const name of namesHere()) {
    const review = reviewOf(name);
    for (const [image, { type, previous, time, place, content, reviewer, withdrawn }] of cellsToHandOn(name, review)) {
      found.push([...(place ?? [name, image]), type, previous, reviewer || reviews.reviewer, time, "", night.run, contentCell(content, withdrawn), ""]);
    }
    const ofSlide = ({ reviewer, time, content, types }, comment, withdrawn) =>
      found.push([name, "", "", "", reviewer, time, comment, night.run, contentCell(content, withdrawn), types ?? ""]);
    for (const each of review.withdrawn.filter(isInFile(name))) ofSlide(each, "", true);
    if (review.signed) ofSlide(review.signed, commentOf(review), false);
  }
  return found;
}

function correctionsText() {
  const lines = [COLUMNS, ...correctionRows()].map((row) => row.map((text) => quoted(neutralised(text))).join(","));
  return `${lines.join("\n")}\n`;
}

/** Comments that no file holds yet, in words. */
function commentsLeft() {
  const names = namesHere().filter((name) => !reviewOf(name).signed && reviewOf(name).comment.trim());
  return names.length ? ` A comment goes with a signature: not yet downloaded are those on ${names.join(", ")}.` : "";
}

function download() {
  const note = find("#kept");
  if (!correctionRows().length) {
    leaveSlide();
    note.textContent = `Nothing to download yet: no cell is changed and no slide is signed.${commentsLeft()}`;
    return;
  }
  if (correctionRows().some((row) => !row[4])) {
    leaveSlide();
    note.textContent = "Please give your name first: it stands beside each correction.";
    find("#reviewer").focus();
    return;
  }
  const url = URL.createObjectURL(new Blob([correctionsText()], { type: "text/csv;charset=utf-8" }));
  make("a", { href: url, download: "corrections.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  namesHere().forEach(noteHandedOn);
  save();
  setUnsaved(false); // the file has it
  const left = commentsLeft();
  if (left) note.textContent = `Downloaded.${left}`;
}
