/** Draws the demo cars from the side, as PNG images: a body of their kind and colour in a showroom or outside. */
import { crc32, deflateSync } from "node:zlib";
import type { BODY_TYPES } from "../../src/shared/enums.ts";

type Color = readonly [number, number, number];
type Point = readonly [number, number];
type Body = (typeof BODY_TYPES)[number];

/** The size of the larger image; drawn twice as large for smooth edges, and once halved again for the thumbnail. */
export const PHOTO_WIDTH = 640;
export const PHOTO_HEIGHT = 400;

const PAINT: Record<string, Color> = {
  Black: [38, 40, 44],
  White: [238, 240, 241],
  Silver: [190, 195, 200],
  Grey: [116, 122, 128],
  Blue: [36, 84, 160],
  Red: [178, 32, 38],
  Green: [44, 104, 72],
  Orange: [222, 116, 30],
  Beige: [206, 188, 156],
};

/** The outline of a body and its roof: a hundred units long, from the rear on the left, upwards from the road. */
type Shape = { body: Point[]; roof: Point[]; pillars: number[] };

/** A polygon given as x, y, x, y and so on. */
const path = (...numbers: number[]): Point[] =>
  Array.from({ length: numbers.length / 2 }, (_, index) => [
    numbers[index * 2] ?? 0,
    numbers[index * 2 + 1] ?? 0,
  ]);

const low: Point[] = path(3, 8, 2, 17, 5, 24, 30, 26, 68, 25, 90, 21, 98, 16, 98, 9, 94, 6, 6, 6);
const high: Point[] = path(3, 9, 2, 20, 4, 29, 30, 30, 70, 30, 91, 26, 98, 20, 98, 11, 94, 8, 6, 8);
const bed: Point[] = path(2, 10, 2, 27, 4, 28, 44, 28, 72, 29, 92, 26, 98, 20, 98, 11, 94, 8, 5, 8);

const SHAPES: Record<Body, Shape> = {
  SEDAN: {
    body: low,
    roof: path(17, 24, 32, 37, 56, 38, 76, 24),
    pillars: [47],
  },
  HATCHBACK: {
    body: low,
    roof: path(4, 22, 12, 37, 50, 39, 74, 24),
    pillars: [40],
  },
  WAGON: {
    body: low,
    roof: path(3, 22, 8, 37, 56, 38, 76, 24),
    pillars: [28, 50],
  },
  SUV: {
    body: high,
    roof: path(3, 27, 10, 43, 56, 44, 76, 28),
    pillars: [29, 50],
  },
  COUPE: {
    body: low,
    roof: path(8, 23, 34, 35, 54, 35, 78, 23),
    pillars: [],
  },
  CONVERTIBLE: {
    body: low,
    roof: path(61, 24, 55, 34, 57, 34, 69, 24),
    pillars: [],
  },
  VAN: {
    body: high,
    roof: path(3, 27, 4, 49, 66, 49, 90, 25),
    pillars: [28, 52],
  },
  PICKUP: {
    body: bed,
    roof: path(42, 27, 46, 43, 64, 43, 79, 27),
    pillars: [58],
  },
  OTHER: {
    body: low,
    roof: path(4, 22, 12, 37, 50, 39, 74, 24),
    pillars: [40],
  },
};

const WHEELS = [21, 79];

const mix = (a: Color, b: Color, part: number): Color => [
  a[0] + (b[0] - a[0]) * part,
  a[1] + (b[1] - a[1]) * part,
  a[2] + (b[2] - a[2]) * part,
];
const WHITE: Color = [255, 255, 255];
const BLACK: Color = [10, 11, 13];

/** Rounds the corners of a polygon by cutting them twice. */
function rounded(points: readonly Point[], times = 2): Point[] {
  if (times === 0) return [...points];
  const cut = points.flatMap((point, index): Point[] => {
    const next = points[(index + 1) % points.length] ?? point;
    const at = (part: number): Point => [
      point[0] + (next[0] - point[0]) * part,
      point[1] + (next[1] - point[1]) * part,
    ];
    return [at(0.2), at(0.8)];
  });
  return rounded(cut, times - 1);
}

const circle = (x: number, y: number, radius: number, squeeze = 1): Point[] =>
  Array.from({ length: 48 }, (_, index) => {
    const angle = (index / 48) * 2 * Math.PI;
    return [x + radius * Math.cos(angle), y + radius * squeeze * Math.sin(angle)];
  });

/** Three bytes a pixel, row by row. */
type Raster = { width: number; height: number; pixels: Uint8Array };

/** Paints polygons given in car units onto a raster; the colour may change with the height. */
function painter({ width, height, pixels }: Raster, facesLeft: boolean) {
  const unit = (width * 0.84) / 100;
  const place = ([x, y]: Point): Point => [
    width * 0.08 + (facesLeft ? 100 - x : x) * unit,
    height * 0.8 - y * unit,
  ];
  return (points: readonly Point[], color: Color | ((up: number) => Color)) => {
    const placed = points.map(place);
    const rows = placed.map(([, y]) => y);
    const first = Math.max(0, Math.ceil(Math.min(...rows)));
    const last = Math.min(height - 1, Math.floor(Math.max(...rows)));
    for (let y = first; y <= last; y += 1) {
      const crossings = placed
        .flatMap(([x, from], index) => {
          const [nextX, to] = placed[(index + 1) % placed.length] ?? [x, from];
          return from <= y !== to <= y ? [x + ((y - from) / (to - from)) * (nextX - x)] : [];
        })
        .sort((a, b) => a - b);
      const [r, g, b] = typeof color === "function" ? color((height * 0.8 - y) / unit) : color;
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const to = Math.min(width - 1, Math.floor(crossings[pair + 1] ?? 0));
        for (let x = Math.max(0, Math.ceil(crossings[pair] ?? 0)); x <= to; x += 1) {
          const at = (y * width + x) * 3;
          pixels[at] = r;
          pixels[at + 1] = g;
          pixels[at + 2] = b;
        }
      }
    }
  };
}

/** What is behind the car. The same for all cars, so it is drawn once. */
function drawScene(outside: boolean): Raster {
  const [width, height] = [PHOTO_WIDTH * 2, PHOTO_HEIGHT * 2];
  const raster = { width, height, pixels: new Uint8Array(width * height * 3) };
  const paint = painter(raster, outside);
  const [wall, floor]: [Color, Color] = outside
    ? [
        [150, 190, 225],
        [120, 122, 120],
      ]
    : [
        [226, 224, 220],
        [168, 162, 154],
      ];
  paint(path(-20, -30, 120, -30, 120, 13, -20, 13), (up) => mix(floor, BLACK, 0.25 - up / 90));
  paint(path(-20, 13, 120, 13, 120, 80, -20, 80), (up) =>
    mix(wall, outside ? [70, 130, 200] : WHITE, up / 90),
  );
  if (outside)
    paint(rounded(path(-20, 13, 10, 21, 40, 16, 75, 24, 120, 15, 120, 12, -20, 12)), [86, 118, 84]);
  else for (const x of [-6, 30, 66]) paint(path(x, 16, x + 30, 16, x + 30, 58, x, 58), mix(wall, WHITE, 0.5));
  paint(circle(50, 0, 54, 0.06), mix(floor, BLACK, 0.6));
  return raster;
}

const [inside, outdoors] = [drawScene(false), drawScene(true)];

function drawCar(kind: Body, paintName: string, outside: boolean): Raster {
  const scene = outside ? outdoors : inside;
  const raster = { ...scene, pixels: scene.pixels.slice() };
  const { body, roof, pillars } = SHAPES[kind];
  const color = PAINT[paintName] ?? [128, 128, 128];
  const paint = painter(raster, outside);
  const belt = body === low ? 24 : 28;

  const shaded = (up: number): Color =>
    up > belt - 4
      ? mix(color, WHITE, Math.min(0.25, (up - belt + 4) / 40))
      : mix(color, BLACK, (belt - 4 - up) / 34);
  paint(rounded(roof, 2), shaded);
  const [rear, rearTop, frontTop, front] = roof as [Point, Point, Point, Point];
  const glass: Point[] = path(
    rear[0] + 5,
    belt,
    rearTop[0] + 2,
    rearTop[1] - 2.5,
    frontTop[0] - 1,
    frontTop[1] - 2.5,
    front[0] - 5,
    belt,
  );
  if (kind === "CONVERTIBLE") {
    for (const x of [34, 46]) paint(rounded(path(x, belt, x + 1, 30, x + 5, 30, x + 6, belt)), [60, 44, 36]);
  } else {
    paint(rounded(glass, 1), (up) => mix([34, 44, 54], [150, 176, 196], (up - belt) / 34));
    for (const x of pillars)
      paint(
        path(x - 1, belt, x - 0.4, 60, x + 1, 60, x + 1.4, belt).map(
          ([px, py]): Point => [px ?? 0, Math.min(py ?? 0, rearTop[1] - 1)],
        ),
        shaded,
      );
  }
  paint(rounded(body, 2), shaded);
  paint(path(6, belt - 3.2, 94, belt - 5.2, 94, belt - 5.6, 6, belt - 3.8), mix(color, WHITE, 0.45));
  paint(path(28, 7, 72, 7, 71, 9.4, 29, 9.4), mix(color, BLACK, 0.7));
  for (const x of [...pillars, front[0] - 9]) {
    paint(path(x, 10, x + 0.4, 10, x + 0.4, belt - 1, x, belt - 1), mix(color, BLACK, 0.45));
    paint(
      path(x - 6, belt - 6, x - 2, belt - 6, x - 2, belt - 6.8, x - 6, belt - 6.8),
      mix(color, BLACK, 0.5),
    );
  }
  paint(rounded(path(91, belt - 5, 97, belt - 9, 96, belt - 11, 89, belt - 8)), [244, 246, 236]);
  paint(rounded(path(2, belt - 3, 7, belt - 4, 7, belt - 8, 2, belt - 8)), [196, 24, 28]);

  const radius = body === low ? 8 : 9.2;
  for (const x of WHEELS) {
    paint(circle(x, radius, radius + 1.8), BLACK);
    paint(circle(x, radius, radius), [28, 29, 31]);
    paint(circle(x, radius, radius * 0.66), [176, 180, 184]);
    for (let spoke = 0; spoke < 5; spoke += 1) {
      const at = (turn: number, far: number): Point => {
        const angle = ((spoke + turn) / 5) * 2 * Math.PI;
        return [x + radius * far * Math.cos(angle), radius + radius * far * Math.sin(angle)];
      };
      paint([at(0.2, 0.22), at(0.12, 0.6), at(0.5, 0.64), at(0.88, 0.6), at(0.8, 0.22)], [58, 61, 65]);
    }
    paint(circle(x, radius, radius * 0.16), [90, 94, 98]);
  }
  return raster;
}

/** The raster at half the size: every four pixels become one. */
function halved({ width, height, pixels }: Raster): Raster {
  const small = { width: width / 2, height: height / 2, pixels: new Uint8Array((pixels.length / 4) | 0) };
  for (let y = 0, to = 0; y < small.height; y += 1)
    for (let x = 0; x < small.width; x += 1)
      for (let channel = 0; channel < 3; channel += 1, to += 1) {
        const at = (y * 2 * width + x * 2) * 3 + channel;
        const below = at + width * 3;
        small.pixels[to] =
          ((pixels[at] ?? 0) + (pixels[at + 3] ?? 0) + (pixels[below] ?? 0) + (pixels[below + 3] ?? 0)) >> 2;
      }
  return small;
}

function encodePng({ width, height, pixels }: Raster): Uint8Array<ArrayBuffer> {
  // Each row says how it differs from the row above ("Up"), which suits even areas.
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y += 1) {
    const at = y * (width * 3 + 1);
    rows[at] = 2;
    for (let x = 0; x < width * 3; x += 1) {
      const above = y === 0 ? 0 : (pixels[(y - 1) * width * 3 + x] ?? 0);
      rows[at + 1 + x] = ((pixels[y * width * 3 + x] ?? 0) - above) & 0xff;
    }
  }
  const chunk = (type: string, data: Buffer) => {
    const whole = Buffer.alloc(12 + data.length);
    whole.writeUInt32BE(data.length);
    whole.write(type, 4, "latin1");
    data.copy(whole, 8);
    whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
    return whole;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Uint8Array.from(
    Buffer.concat([
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
      chunk("IHDR", head),
      chunk("IDAT", deflateSync(rows, { level: 3 })),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

/** Both sizes of a photo, as PNG. */
export type DrawnPhoto = { display: Uint8Array<ArrayBuffer>; thumbnail: Uint8Array<ArrayBuffer> };

/** Draws a car of a kind and colour, in the showroom facing right, or outside facing left. */
export function drawPhoto(kind: Body, paintName: string, outside: boolean): DrawnPhoto {
  const display = halved(drawCar(kind, paintName, outside));
  return { display: encodePng(display), thumbnail: encodePng(halved(display)) };
}
