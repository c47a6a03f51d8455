/**
 * The document, but what is written into its `<style>` elements becomes a constructed sheet. The content security
 * policy refuses the text of style elements; xterm.js makes such elements, and takes this document to make them in.
 */
export function documentWithSheets(): { document: Document; release: () => void } {
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
    const element = document.createElement('template');
    Object.defineProperty(element, 'textContent', { set: (css: string) => sheet.replaceSync(css) });
    element.remove = () => {
      drop(sheet);
      Element.prototype.remove.call(element);
    };
    return element;
  };
  /** An element whose `style` attribute is set the way that the policy allows. */
  const plainElement = (tag: string) => {
    const element = document.createElement(tag);
    element.setAttribute = (name, value) => {
      if (name === 'style') element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, name, value);
    };
    return element;
  };
  const stand = new Proxy(document, {
    get(target, name) {
      if (name === 'createElement') {
        return (tag: string) => (tag.toLowerCase() === 'style' ? styleElement() : plainElement(tag));
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { document: stand, release: () => [...made].forEach(drop) };
}
