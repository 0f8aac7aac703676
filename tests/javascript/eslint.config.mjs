import js from "@eslint/js";

const ours = ["Texts", "Common", "Columns", "Words", "Course", "Figure", "Facts", "Log", "Weeks", "Plotly"];
const browsers = [
  "window",
  "document",
  "location",
  "history",
  "navigator",
  "localStorage",
  "matchMedia",
  "addEventListener",
  "requestAnimationFrame",
  "setTimeout",
  "getSelection",
  "getComputedStyle",
  "URL",
  "URLSearchParams",
  "Blob",
  "CSS",
];
const globals = Object.fromEntries([...ours, ...browsers].map((name) => [name, "readonly"]));

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { sourceType: "script", globals },
    rules: { "no-unused-vars": ["error", { caughtErrors: "none" }] },
  },
];
