// What would run if markup came into the page: a script, and an image that fails.
(() => {
  const script = document.createElement("script");
  script.textContent = "window.struck = 1";
  const division = document.createElement("div");
  division.innerHTML = "<img src=x onerror='window.struck = 2'>";
  document.body.append(script, division);
})()
