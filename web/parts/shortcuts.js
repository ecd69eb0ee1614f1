// Not there yet.
export const openPalette = () => {};
export const openShortcuts = () => {};
