"use strict";
(() => {
  const film = document.getElementById("film");
  const strip = document.querySelector(".strip");
  const bars = [...strip.querySelectorAll("button")];
  const cards = [...document.querySelectorAll("article")];
  const starts = bars.map((bar) => Number(bar.dataset.from));
  const ends = bars.map((bar) => Number(bar.dataset.to));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let until = null; // where a single shot ends; null while the film plays on
  let target = 0; // where the last jump of ours went
  let current = -1;

  const jump = (seconds) => {
    target = seconds;
    film.currentTime = seconds;
  };

  const play = (button) => {
    const shot = Number(button.dataset.shot) - 1;
    if (shot === current && until !== null && !film.paused) {
      film.pause();
      return;
    }
    until = Number(button.dataset.to);
    jump(Number(button.dataset.from));
    film.play().catch(() => film.focus());
  };

  const mark = (shot) => {
    if (shot === current) return;
    for (const list of [bars, cards]) {
      list[current]?.removeAttribute("aria-current");
      list[shot]?.setAttribute("aria-current", "true");
    }
    cards[current]?.classList.remove("running");
    current = shot;
  };

  const follow = () => {
    const now = film.currentTime;
    if (until !== null && now >= until && !film.seeking) {
      film.pause();
      jump(until - 1e-3); // its last frame, not the next one's first
      until = null;
      return;
    }
    // Crossfaded shots overlap: the one that is marked stays so to its end.
    if (!(now >= starts[current] - 1e-3 && now < ends[current])) {
      mark(Math.max(starts.findLastIndex((start) => start <= now + 1e-3), 0));
    }
    cards[current]?.classList.toggle("running", !film.paused);
    if (film.duration) strip.style.setProperty("--played", `${(100 * now) / film.duration}%`);
  };

  const watch = () => {
    follow();
    if (!film.paused) requestAnimationFrame(watch);
  };

  for (const button of document.querySelectorAll("button[data-shot]")) {
    button.addEventListener("click", () => {
      const card = cards[Number(button.dataset.shot) - 1];
      play(button);
      mark(Number(button.dataset.shot) - 1);
      if (strip.contains(button)) {
        card.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
      }
    });
  }

  // One stop of the tab key for the whole strip; the arrows go along it.
  bars.forEach((bar, index) => { bar.tabIndex = index ? -1 : 0; });
  strip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = step && bars[bars.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  film.addEventListener("play", watch);
  film.addEventListener("pause", follow);
  film.addEventListener("timeupdate", follow); // animation frames stop in a hidden tab
  film.addEventListener("seeking", () => {
    const past = film.currentTime - target;
    if (past < -0.01 || past > 0.25) until = null; // somebody else's jump
    follow();
  });

  // Paper has no use for folded details.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();
