// Reads a QR code from a picture or a camera: by the browser itself where it can, else by a small library
// that the kernel sends when it is needed first.
import type { Ask } from "./state.ts";

type Decode = (
  image: { width: number; height: number; data: Uint8ClampedArray },
  options?: { effort?: number; timeLimit?: number },
) => string;
type Source = HTMLImageElement | HTMLVideoElement;

interface Detector {
  detect(source: Source): Promise<{ rawValue: string }[]>;
}
interface Detectors {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

/** Widths, in pixels, in which a picture is tried; the first one is as much as an engine can use. */
const WIDTHS = [1600, 800, 400];
/** Share of white around a picture, since a code needs a margin and screenshots cut it off. */
const MARGIN = 0.06;
const PICTURE_PATIENCE = 2000;
const FRAME_PATIENCE = 60;
const FRAME = 150;

export class Reader {
  readonly #ask: Ask;
  #decode: Promise<Decode> | null = null;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The text in a picture file. Rejects with a sentence. */
  async picture(file: Blob): Promise<string> {
    const url = URL.createObjectURL(file);
    try {
      const image = new Image();
      image.src = url;
      await image.decode().catch(() => {
        throw new Error("This file is no picture that the browser can show.");
      });
      const found = await this.#read(
        image,
        image.naturalWidth,
        image.naturalHeight,
        WIDTHS,
        PICTURE_PATIENCE,
      );
      if (found === null)
        throw new Error("No QR code can be read in this picture; take it straight, close and sharp.");
      return found;
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /** The first text that the camera sees; `null` once `signal` aborts. Rejects with a sentence. */
  async camera(video: HTMLVideoElement, signal: AbortSignal): Promise<string | null> {
    if (!navigator.mediaDevices)
      throw new Error("The browser gives the camera to pages over HTTPS or localhost only; use a picture.");
    const stream = await navigator.mediaDevices
      .getUserMedia({ video: { facingMode: "environment" } })
      .catch((error: Error) => {
        const denied = error.name === "NotAllowedError";
        throw new Error(
          denied ? "The browser was told not to use the camera." : "No camera can be used here.",
        );
      });
    try {
      video.srcObject = stream;
      await video.play();
      while (!signal.aborted) {
        const found = await this.#read(
          video,
          video.videoWidth,
          video.videoHeight,
          WIDTHS.slice(1, 2),
          FRAME_PATIENCE,
        );
        if (found !== null && !signal.aborted) return found;
        await new Promise((resolve) => setTimeout(resolve, FRAME));
      }
      return null;
    } finally {
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    }
  }

  async #read(
    source: Source,
    width: number,
    height: number,
    widths: number[],
    timeLimit: number,
  ): Promise<string | null> {
    const detector = await nativeDetector();
    if (detector) {
      const found = await detector.detect(source).catch(() => []);
      if (found[0]) return found[0].rawValue;
    }
    this.#decode ??= this.#load();
    const decode = await this.#decode;
    for (const wanted of widths) {
      const image = draw(source, width, height, wanted);
      if (image === null) continue;
      try {
        return decode(image, { effort: 4, timeLimit });
      } catch {
        // None in this size.
      }
    }
    return null;
  }

  async #load(): Promise<Decode> {
    try {
      const source = (await this.#ask("decoder")) as string;
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      try {
        return ((await import(url)) as { default: Decode }).default;
      } finally {
        URL.revokeObjectURL(url);
      }
    } catch (error) {
      this.#decode = null;
      throw error;
    }
  }
}

async function nativeDetector(): Promise<Detector | null> {
  const detectors = (globalThis as { BarcodeDetector?: Detectors }).BarcodeDetector;
  if (!detectors || !(await detectors.getSupportedFormats()).includes("qr_code")) return null;
  return new detectors({ formats: ["qr_code"] });
}

function draw(source: Source, width: number, height: number, wanted: number): ImageData | null {
  if (!width || !height) return null;
  // Small pictures are not blown up beyond what gives each module of the code some pixels.
  const scale = Math.min(wanted / Math.max(width, height), 4);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  const edge = Math.round(Math.max(w, h) * MARGIN);
  const canvas = document.createElement("canvas");
  canvas.width = w + 2 * edge;
  canvas.height = h + 2 * edge;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return null;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, edge, edge, w, h);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
