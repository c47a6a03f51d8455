/**
 * The document, but what is written into its `<style>` elements becomes a constructed sheet. The content security
 * policy refuses style elements and style attributes; xterm.js makes both, and takes this document to make them in.
 */
export function documentWithSheets(): {
  document: Document;
  /** Work that makes its elements in the page's own document. */
  during: (work: () => void) => void;
  release: () => void;
} {
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
  /** An element, and all copies of it, whose `style` attribute is set the way that the policy allows. */
  const guarded = <T extends HTMLElement>(element: T): T => {
    element.setAttribute = (name, value) => {
      if (name === 'style') element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, name, value);
    };
    element.cloneNode = (deep) => guarded(Node.prototype.cloneNode.call(element, deep) as T);
    return element;
  };
  const make = (tag: string) => (tag.toLowerCase() === 'style' ? styleElement() : guarded(create(tag)));
  const stand = new Proxy(document, {
    get(target, name) {
      if (name === 'createElement') return make;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return {
    document: stand,
    // Some parts of xterm.js ask for the page's own document all the same.
    during: (work) => {
      Object.defineProperty(document, 'createElement', { value: make, configurable: true });
      try {
        work();
      } finally {
        Reflect.deleteProperty(document, 'createElement');
      }
    },
    release: () => [...made].forEach(drop),
  };
}
