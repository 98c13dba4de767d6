// A photo as a phone takes it: with the place where it was taken.

/** Stands in every photo that is made here, and must stand in none that was sent. */
export const GPS_MARK = Buffer.from("gps-latitude-31.5");

/** The segment of a JPEG in which a camera writes where a photo was taken: one IFD with a maker's text and a GPS IFD. */
function exif(latitude, longitude) {
  const tiff = Buffer.alloc(8 + 2 + 24 + 4 + 2 + 24 + 4 + 16);
  tiff.write("II*\0", 0, "latin1");
  tiff.writeUInt32LE(8, 4);
  const entry = (at, tag, type, count, value) => {
    tiff.writeUInt16LE(tag, at);
    tiff.writeUInt16LE(type, at + 2);
    tiff.writeUInt32LE(count, at + 4);
    tiff.writeUInt32LE(value, at + 8);
  };
  const text = tiff.length;
  tiff.writeUInt16LE(2, 8);
  entry(10, 0x010f, 2, GPS_MARK.length, text);
  entry(22, 0x8825, 4, 1, 38);
  tiff.writeUInt16LE(2, 38);
  entry(40, 0x0002, 5, 1, 68);
  entry(52, 0x0004, 5, 1, 76);
  for (const [at, degrees] of [[68, latitude], [76, longitude]]) {
    tiff.writeUInt32LE(degrees * 100, at);
    tiff.writeUInt32LE(100, at + 4);
  }
  const content = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff, GPS_MARK]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

/** A JPEG with the place in it; a page draws it. */
export async function photo(page) {
  const drawn = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
    canvas.getContext("2d").fillRect(0, 0, 20, 30);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  return Buffer.concat([Buffer.from(drawn.slice(0, 2)), exif(31.5, 120.25), Buffer.from(drawn.slice(2))]);
}
