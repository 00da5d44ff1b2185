import type { Folder } from "../dataplane.js";

/** Writes two services, one of whose names begins with the other one. */
export function writeShop(folder: Folder, size: number): void {
  const params = { cart: { size: 3, "a.b": "x" }, list: [1], none: null, half: 0.5 };
  folder.layers(
    { eid: 1, service: "shop.cart", variants: [{ vid: 10, params: { size } }] },
    { eid: 2, service: "shop", variants: [{ vid: 20, params }] },
  );
}
