/** What a page does that a client has to know. */
export interface Page {
  /** It is seen again, or has a network again. */
  comes(): void;
  /** It is no longer seen, and may never be again. */
  goes(): void;
}

/** Tells of the page until what it returns is called. In workers there is none. */
export function watchPage(page: Page): () => void {
  if (typeof document === "undefined" || typeof addEventListener === "undefined") {
    return () => {};
  }
  const changes = () => (document.visibilityState === "hidden" ? page.goes() : page.comes());
  const comes = () => page.comes();
  const goes = () => page.goes();
  document.addEventListener("visibilitychange", changes);
  addEventListener("pagehide", goes);
  addEventListener("online", comes);
  return () => {
    document.removeEventListener("visibilitychange", changes);
    removeEventListener("pagehide", goes);
    removeEventListener("online", comes);
  };
}
