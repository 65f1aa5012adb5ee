// SPDX-License-Identifier: MIT
// check.mjs URL TOKEN: the official client's own operations against tests/kit/rest_bridge.py, so that
// the bridge is shown to speak what real clients speak, before the library is tested against it.
import assert from "node:assert/strict";
import { Redis } from "@upstash/redis";

const [url, token] = process.argv.slice(2);
const redis = new Redis({ url, token, automaticDeserialization: false, enableTelemetry: false });
let checks = 0;
async function check(name, work) {
  await work();
  checks++;
  console.log(`ok ${checks} ${name}`);
}

await check("ping", async () => assert.equal(await redis.ping(), "PONG"));
await check("set and get", async () => {
  assert.equal(await redis.set("k", "value"), "OK");
  assert.equal(await redis.get("k"), "value");
});
await check("text beyond ASCII", async () => {
  await redis.set("k", "grüße, 世界 \u{1f30d} \"\\ \n");
  assert.equal(await redis.get("k"), "grüße, 世界 \u{1f30d} \"\\ \n");
});
await check("the value OK is no status", async () => {
  await redis.set("k", "OK");
  assert.equal(await redis.get("k"), "OK");
});
await check("a key that is not there", async () => assert.equal(await redis.get("absent"), null));
await check("set with an expiry", async () => {
  await redis.set("k", "v", { px: 60000 });
  const ttl = await redis.pttl("k");
  assert.ok(ttl > 0 && ttl <= 60000);
});
await check("set only once", async () => {
  assert.equal(await redis.set("k", "other", { nx: true }), null);
  assert.equal(await redis.get("k"), "v");
});
await check("numbers", async () => {
  await redis.del("n");
  assert.equal(await redis.incrby("n", 5), 5);
  assert.equal(await redis.exists("n", "k", "absent"), 2);
});
await check("mget", async () =>
  assert.deepEqual(await redis.mget("k", "absent", "n"), ["v", null, "5"]));
await check("scan", async () => {
  const found = [];
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, { match: "*", count: 10 });
    cursor = String(next);
    found.push(...keys);
  } while (cursor !== "0");
  assert.ok(found.includes("k") && found.includes("n"));
});
await check("pipeline", async () => {
  const replies = await redis.pipeline().set("p", "1").incr("p").get("p").exec();
  assert.deepEqual(replies.map(String), ["OK", "2", "2"]);
});
await check("transaction", async () => {
  const replies = await redis.multi().set("m", "1", { px: 60000 }).incrby("m", 4).exec();
  assert.deepEqual(replies.map(String), ["OK", "5"]);
});
await check("an error of the server", async () => {
  await redis.set("text", "abc");
  await assert.rejects(() => redis.incr("text"), /not an integer/);
});
await check("a key that is wrong", async () => {
  const stranger = new Redis({ url, token: "wrong", retry: false, enableTelemetry: false });
  await assert.rejects(() => stranger.get("k"), /WRONGPASS/);
});
console.log(`${checks} checks of @upstash/redis passed`);
assert.equal(checks, 14);
