// Style sheets that only some pages need are loaded with them, once. Waiting for one keeps a page
// from being seen without it.

const loading = new Map();

export function loadStyle(address) {
  if (!loading.has(address)) {
    loading.set(
      address,
      new Promise((resolve) => {
        const link = document.createElement("link");
        link.rel = "stylesheet";
        link.href = address;
        link.onload = link.onerror = resolve;
        document.head.append(link);
      }),
    );
  }
  return loading.get(address);
}
