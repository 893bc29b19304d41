/* What lies under the pointer, with all its columns. */

class Tooltip {
  constructor(element, items) {
    Object.assign(this, { element, items });
  }

  show(item, x, y) {
    if (item === null) {
      this.hide();
      return;
    }
    const key = `${item.what} ${item.ref}`;
    if (this.key !== key) {
      this.key = key;
      const title = make("strong", {}, this.items.title(item));
      this.element.replaceChildren(title, factTable(itemFacts(this.items, item)));
    }
    this.element.hidden = false;
    this.place(x, y);
  }

  /* Beside the pointer, inside of the stage. */
  place(x, y) {
    const { offsetWidth, offsetHeight, parentElement } = this.element;
    const { clientWidth, clientHeight } = parentElement;
    const left = x + 16 + offsetWidth > clientWidth ? x - 16 - offsetWidth : x + 16;
    const top = y + 16 + offsetHeight > clientHeight ? y - 12 - offsetHeight : y + 16;
    this.element.style.left = `${Math.max(left, 0)}px`;
    this.element.style.top = `${Math.min(Math.max(top, 0), Math.max(0, clientHeight - offsetHeight))}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}
