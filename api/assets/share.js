// What a page gives to carry away: copying the short text, reading a script aloud, the picture as pixels.
// Pages work without this file; a button appears only where the browser can do what it says. Nothing is sent anywhere.
"use strict";
(() => {
  const say = document.querySelector("[data-say]");
  const copy = document.querySelector("[data-copy]");
  if (say && copy) {
    const copied = document.querySelector("[data-copied]");
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      say.select();
      say.setSelectionRange(0, say.value.length);
      let done = false;
      try {
        await navigator.clipboard.writeText(say.value);
        done = true;
      } catch {
        // In-app browsers and pages without https have the old way only.
        done = document.execCommand("copy");
      }
      copied.textContent = done ? "已复制" : "复制不了，请长按选取";
    });
  }

  const read = document.querySelector("[data-read]");
  const script = document.querySelector("[data-script]");
  const speech = globalThis.speechSynthesis;
  if (read && script && speech) {
    const reading = document.querySelector("[data-reading]");
    const voice = () => speech.getVoices().find((known) => /^(zh|cmn)/i.test(known.lang));
    // Some browsers have their voices only after a while, some never.
    const offer = () => {
      read.hidden = !voice();
    };
    offer();
    speech.addEventListener?.("voiceschanged", offer);
    let left = 0;
    const stop = () => {
      left = 0;
      speech.cancel();
      read.textContent = "念给我听";
      reading.textContent = "";
    };
    const ended = () => {
      left -= 1;
      if (left === 0) stop();
    };
    read.addEventListener("click", () => {
      if (left > 0) {
        stop();
        return;
      }
      const sentences = [...script.querySelectorAll("p")];
      left = sentences.length;
      read.textContent = "停";
      for (const sentence of sentences) {
        const said = new SpeechSynthesisUtterance(sentence.textContent);
        said.lang = "zh-CN";
        said.voice = voice();
        said.rate = 0.9;
        said.addEventListener("end", ended);
        said.addEventListener("error", () => {
          if (left === 0) return;
          stop();
          reading.textContent = "这台设备念不出来";
        });
        speech.speak(said);
      }
    });
    addEventListener("pagehide", stop);
  }

  // The picture is an image of this site already; here it becomes pixels, which more programs take than drawings.
  const picture = document.querySelector("[data-picture]");
  const tools = document.querySelector("[data-picture-tools]");
  const pixels = async () => {
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = picture.naturalWidth * 2;
    canvas.height = picture.naturalHeight * 2;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return new Promise((done, failed) => {
      canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no pixels"))), "image/png");
    });
  };
  const offerPicture = async () => {
    const blob = await pixels();
    const file = new File([blob], "gongkai.png", { type: "image/png" });
    const send = document.querySelector("[data-send]");
    document.querySelector("[data-save]").href = URL.createObjectURL(blob);
    tools.hidden = false;
    if (navigator.canShare?.({ files: [file] })) {
      send.hidden = false;
      send.addEventListener("click", () => {
        navigator.share({ files: [file], title: document.title }).catch(() => {
          // Whoever closes the list of receivers has changed their mind.
        });
      });
    }
  };
  if (picture && tools) {
    offerPicture().catch(() => {
      // Without pixels the image and its long press are what there is.
      tools.hidden = true;
    });
  }
})();
