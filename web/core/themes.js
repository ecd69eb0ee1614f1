// The look: the system's light or dark, or one that the user has chosen and that is kept.

const KEY = "linkops.theme";

export const themes = [
  { id: "system", label: "System", hint: "light or dark, as the system says" },
  { id: "light", label: "Light", hint: "white and ink" },
  { id: "dark", label: "Dark", hint: "quiet and dark" },
  { id: "paper", label: "Paper", hint: "warm and light" },
  { id: "dusk", label: "Dusk", hint: "deep blue" },
  { id: "contrast", label: "Contrast", hint: "black, white, no shades" },
];

export function theme() {
  const kept = localStorage.getItem(KEY);
  return themes.some((one) => one.id === kept) ? kept : "system";
}

export function setTheme(id) {
  if (id === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, id);
  applyTheme();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", applyTheme);

// The theme is a word on the root element; the colours are in style/tokens.css.
export function applyTheme() {
  const chosen = theme();
  const word = chosen !== "system" ? chosen : dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = word;
  document.dispatchEvent(new Event("themechange"));
}

addEventListener("storage", (event) => event.key === KEY && applyTheme());
