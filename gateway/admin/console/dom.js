// All functions that change the document. They set text only as text: no markup is parsed.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** A new element with a class, text and children. `text` may come from callers: it is never parsed as markup. */
export function make(tag, name = "", text = "", ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

export function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

/** Set a text only if it differs, so that an unchanged element is not laid out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Give `parent` exactly these `children`, in order; move only those in another place. */
export function arrange(parent, children) {
  let next = parent.firstChild;
  for (const child of children) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

/** A meter of the share 0 to 1; one with an `alarm` turns to another color shortly before its end. */
export function meter(alarm = false) {
  const bar = make("i");
  const element = make("div", "meter", "", bar);
  element.setAttribute("aria-hidden", "true");
  return {
    element,
    set(share) {
      const width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
      if (bar.style.width !== width) bar.style.width = width;
      if (alarm) element.classList.toggle("full", share >= 0.9);
    },
  };
}

/** A group of buttons, one of which is pressed. */
export function choices(parent, options, chosen, onChoose) {
  const buttons = new Map();
  for (const [value, words] of options) {
    const button = make("button", "", words);
    button.type = "button";
    button.addEventListener("click", () => { press(value); onChoose(value); });
    buttons.set(value, button);
    parent.append(button);
  }
  function press(value) {
    for (const [each, button] of buttons) button.setAttribute("aria-pressed", String(each === value));
  }
  press(chosen);
  return { press, name: (value, words) => say(buttons.get(value), words) };
}
