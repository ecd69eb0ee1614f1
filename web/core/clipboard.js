// Copying texts.

// Puts a text on the clipboard; false where the browser does not want that. Over plain HTTP a page
// has no clipboard, but the old command still works.
export async function copyText(text) {
  if (navigator.clipboard)
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  const fill = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", fill);
  const isDone = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  return isDone;
}
