// Elements of the page. Text goes in as text alone: no name of a file or slide is ever read as HTML.

const find = (selector, within = document) => within.querySelector(selector);
const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element with attributes, listeners (`onclick`), text and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number of things in words: "1 slide", "3 slides". */
const counted = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

const percentText = (value) => (value === null ? "–" : value.toFixed(1));

/** A probability per mille, as whole percent. */
const asPercent = (permille) => `${Math.round(permille / 10)}%`;

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}
