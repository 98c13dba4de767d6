// Codes to scan, read in this page: from a photo, or from the camera. No picture leaves the device.
//
// By the browser's own detector where it has one, else by the vendored decoder, which is loaded only then.
const SIDES = [1600, 1000, 640, 2400]; // pixels of the longer side that are tried, the likeliest first
const PAUSE_MS = 150;

let detector;

async function own(source) {
  try {
    detector ??= new globalThis.BarcodeDetector({ formats: ["qr_code"] });
    const [found] = await detector.detect(source);
    return found?.rawValue;
  } catch {
    return undefined;
  }
}

async function vendored(source, width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { decodeQR } = await import("../vendor/scan.js");
  try {
    return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return undefined; // No code in this picture.
  }
}

/** The text of the code in a photo; `undefined` when there is none. */
export async function codeIn(file) {
  const picture = await createImageBitmap(file);
  const found = "BarcodeDetector" in globalThis ? await own(picture) : undefined;
  if (found !== undefined) return found;
  for (const side of SIDES) {
    const text = await vendored(picture, picture.width, picture.height, side);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Watches through the camera until a code is seen, or `stop` is pressed (then `undefined`). */
export async function watch(video, stop) {
  let isStopped = false;
  const pressed = () => {
    isStopped = true;
  };
  stop.addEventListener("click", pressed);
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).catch(() => {
    throw new Error("相机打不开。可能是没有允许本页用相机，也可以拍一张照片再选上。");
  });
  try {
    video.srcObject = stream;
    await video.play();
    while (!isStopped) {
      const seen = "BarcodeDetector" in globalThis ? await own(video) : undefined;
      const text = seen ?? (await vendored(video, video.videoWidth, video.videoHeight, SIDES[1]));
      if (text !== undefined) return text;
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
    return undefined;
  } finally {
    stop.removeEventListener("click", pressed);
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}
