// The page becomes the desk.

/** Open what hides the target of a link within the page. */
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  for (let box = target?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  if (target?.matches(".chart")) target.scrollIntoView();
}

/** The number of the slide to show. A later night may have given it another one: after a reload it is the slide of before. */
function numberHere() {
  const name = history.state?.slide;
  return Number(name === undefined ? SECTION.exec(location.hash)?.[1] : rowNamed.get(name)?.dataset.number);
}

function route() {
  const number = numberHere();
  const left = current?.number;
  viewer.close();
  if (night.chosen) {
    if (!current) openSlide(slideOf(1));
    return;
  }
  openSlide(number ? slideOf(number) : null);
  if (current) history.replaceState({ slide: current.name }, "", `#slide-${number}`);
  else if (history.state?.slide !== undefined) history.replaceState(null, "", "#worklist");
  reveal();
  if (!current && left) goToRow(rows.find((row) => row.dataset.number === String(left)));
}

function start() {
  document.body.classList.add("with-desk");
  document.body.classList.toggle("chosen-cells", Boolean(night.chosen));
  load();
  setUpWorklist();
  setUpViewer();
  setUpTypes();
  setUpKeys();
  setUpKeeping();
  find("#reviewer").value = reviews.reviewer;
  find("#reviewer").addEventListener("input", ({ currentTarget }) => setReviewer(currentTarget.value.trim()));
  find("#download").addEventListener("click", download);
  find("#tools .ask").addEventListener("click", showKeys);
  window.addEventListener("hashchange", route);
  window.addEventListener("beforeprint", () => {
    if (!current) showReviewsInPrint();
  });
  window.addEventListener("storage", ({ key }) => {
    if (key !== STORE) return; // another tab with this page has changed something
    loadBeside();
    markReviewed();
    if (current) showSlideAgain();
  });
  route();
}

start();
