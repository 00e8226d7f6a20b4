// The stream of events: opens it, and opens it again if nothing arrives.

const SILENT_MS = 5000;
const AGAIN_MS = 2000;

/** Call `onMessage` with each message, and `onState` with `waiting`, `live`, `late` or `lost`. */
export function listen(path, onMessage, onState) {
  let source = null;
  let heardAt = 0;
  let again = 0;

  function open() {
    close();
    heardAt = performance.now();
    source = new EventSource(path);
    source.onmessage = (event) => {
      heardAt = performance.now();
      onState("live");
      onMessage(JSON.parse(event.data), heardAt);
    };
    source.onerror = () => {
      onState("lost");
      close();
      again = setTimeout(open, AGAIN_MS);
    };
  }

  function close() {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  }

  setInterval(() => {
    const silent = performance.now() - heardAt;
    if (!source) return;
    if (silent > SILENT_MS) { onState("lost"); open(); } else if (silent > 2500) onState("late");
  }, 500);
  // A hidden page has no stream; when it is visible again, a new stream begins with the whole state.
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  window.addEventListener("pagehide", close);
  open();
}
