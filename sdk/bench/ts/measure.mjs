// The workload of all benchmarks of SDKs: ten layers or features, each with a
// rule that is true and two variants of half the users; a thousand users in turn.

export const layers = Array.from({ length: 10 }, (_, i) => i);

export const contexts = Array.from({ length: 1000 }, (_, i) => ({ user_id: `user_${i}`, country: "US", age: 25 }));

/**
 * Runs an evaluation of each user in turn, for some time, and prints the median
 * of the rounds of a thousand in nanoseconds an evaluation.
 *
 * @param {string} name
 * @param {(user: {user_id: string, country: string, age: number}) => unknown} evaluate
 */
export async function measure(name, evaluate) {
  const rounds = [];
  const until = process.hrtime.bigint() + 1_500_000_000n;
  for (let round = 0; process.hrtime.bigint() < until || round < 5; round++) {
    const start = process.hrtime.bigint();
    for (const user of contexts) {
      const result = evaluate(user);
      if (result instanceof Promise) await result;
    }
    if (round > 1) rounds.push(Number(process.hrtime.bigint() - start) / contexts.length);
  }
  rounds.sort((a, b) => a - b);
  console.log(`typescript\t${name}\t${Math.round(rounds[Math.floor(rounds.length / 2)])}`);
}
