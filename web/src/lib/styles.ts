/**
 * From now until the answer is called, `<style>` elements that are made become constructed sheets, and the `style`
 * attribute of a `<span>` is set through its `style` object. The content security policy refuses style elements and
 * attributes, and allows these two; xterm.js makes the former, some of them in the page's own document whatever
 * document it is given.
 */
export function styleBySheets(): () => void {
  const create = (tag: string): HTMLElement =>
    document.createElementNS('http://www.w3.org/1999/xhtml', tag as 'div');
  const made = new Set<CSSStyleSheet>();
  const drop = (sheet: CSSStyleSheet) => {
    made.delete(sheet);
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  };
  /** Stands where a style element would: even an empty one is refused. */
  const styleElement = () => {
    const sheet = new CSSStyleSheet();
    made.add(sheet);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    const element = create('template');
    Object.defineProperty(element, 'textContent', { set: (css: string) => sheet.replaceSync(css) });
    element.remove = () => {
      drop(sheet);
      Element.prototype.remove.call(element);
    };
    return element;
  };
  const spanElement = () => {
    const element = create('span');
    element.setAttribute = (name, value) => {
      if (name === 'style') element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, name, value);
    };
    return element;
  };
  const make = (tag: string) => {
    const name = tag.toLowerCase();
    if (name === 'style') return styleElement();
    return name === 'span' ? spanElement() : create(name);
  };
  Object.defineProperty(document, 'createElement', { value: make, configurable: true });
  return () => {
    Reflect.deleteProperty(document, 'createElement');
    [...made].forEach(drop);
  };
}
