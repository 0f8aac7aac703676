/* What scripts find on a page: each other's names, plotly.js, and elements whose kind the page knows. */
declare const Texts: any;
declare const Common: any;
declare const Columns: any;
declare const Words: any;
declare const Course: any;
declare const Figure: any;
declare const Facts: any;
declare const Log: any;
declare const Weeks: any;
declare const Plotly: any;

interface Window {
  Wording: any;
  Texts: any;
  Common: any;
  Columns: any;
  Words: any;
  Course: any;
  Figure: any;
  Facts: any;
  Log: any;
  Weeks: any;
  Plotly: any;
}

interface EventTarget {
  value: string;
}

interface Element {
  focus(options?: FocusOptions): void;
  content: string;
  dataset: DOMStringMap;
  hidden: boolean;
  href: string;
  download: string;
  click(): void;
}

/* A chart of plotly.js. */
interface HTMLElement {
  value: string;
  data: any[];
  layout: any;
  _fullLayout: any;
  on(event: string, listen: (event: any) => void): void;
}
