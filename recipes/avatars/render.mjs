// Draws DiceBear pictures: reads lines of JSON {style, view, options}, writes SIZE x SIZE x 3 bytes for each.
// Usage: node render.mjs MODULES SIZE OVERSAMPLING, where MODULES is the folder that holds node_modules.
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, size, times] = [resolve(process.argv[2], "node_modules"), ...process.argv.slice(3).map(Number)];
const load = (...path) => import(pathToFileURL(join(modules, ...path)));
const { createAvatar } = await load("@dicebear", "core", "lib", "index.js");
const { Resvg } = (await load("@resvg", "resvg-js", "index.js")).default;

// What a style lacks becomes another variant among its own, which DiceBear then draws like them.
const additions = {
  "big-smile": ({ accessories }) => { // the glasses' pale gold cannot be told from most skins
    accessories["dark glasses"] = () => accessories.glasses().replaceAll(/"#[0-9A-Fa-f]{6}"/g, '"#222222"');
  },
  "lorelei": ({ hair }) => { // hair holds the head: without hair, the head is alone
    hair.none = (components, colors) => components.head.value(components, colors);
  },
  "personas": ({ eyes }) => { // glasses are a kind of eyes, whose last path they are: here, every kind can wear them
    const frame = eyes.glasses().match(/<path[^>]*>/g).at(-1);
    const kinds = { ...eyes, none: () => "" };
    for (const kind in kinds) eyes[`${kind}+glasses`] = () => kinds[kind]() + frame;
  },
  "pixel-art": ({ eyes, hair }) => { // no variant has closed eyes, and none a mohawk that is wider than two squares
    eyes.closed = (_, colors) => `<path fill="${colors.eyes}" d="M4 7h3v1H4zM9 7h3v1H9z"/>`;
    hair.mohawk = (_, colors) => `<path fill="${colors.hair}" d="M6 0h4v4H6z"/>`;
  },
};

const styles = {};
async function opened(name) {
  if (!styles[name]) {
    styles[name] = await load("@dicebear", name, "lib", "index.js");
    additions[name]?.(await load("@dicebear", name, "lib", "components", "index.js"));
  }
  return styles[name];
}

// DiceBear chooses among the values of an option. Each has one here, and what was drawn must be what was asked for.
function draw(style, options) {
  const listed = Object.entries(options).map(([name, value]) => [name, typeof value === "string" ? [value] : value]);
  const { svg, extra } = createAvatar(style, { ...Object.fromEntries(listed), clip: false }).toJson();
  for (const [name, asked] of Object.entries(options).filter(([, value]) => typeof value === "string")) {
    const drawn = (name === "backgroundColor" ? extra.primaryBackgroundColor : extra[name]) ?? "none";
    if (drawn !== asked && drawn !== `#${asked}`) throw new Error(`${name}: ${asked} was asked for, ${drawn} drawn`);
  }
  return svg;
}

// Averages squares of pixels (RGBA, opaque) into one (RGB).
function shrunk(pixels) {
  const small = Buffer.alloc(size * size * 3);
  for (let y = 0, place = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let row = y * times; row < (y + 1) * times; row++)
          for (let column = x * times; column < (x + 1) * times; column++)
            sum += pixels[(row * size * times + column) * 4 + channel];
        small[place++] = Math.round(sum / times ** 2);
      }
  return small;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { style, view, options } = JSON.parse(line);
  const svg = draw(await opened(style), options).replace(/viewBox="[^"]*"/, `viewBox="${view.join(" ")}"`);
  const background = `#${options.backgroundColor}`;
  const large = new Resvg(svg, { background, fitTo: { mode: "width", value: size * times }, font: { loadSystemFonts: false } });
  if (!process.stdout.write(shrunk(large.render().pixels))) await once(process.stdout, "drain");
}
