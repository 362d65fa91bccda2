// The submitter and the worker of BullMQ: told what to do by lines on stdin, answering by lines on stdout. Times are of
// CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share. It ends when its stdin does.

import { createInterface } from 'node:readline';
import { Queue, Worker } from 'bullmq';

const [role, port] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const options = { removeOnComplete: true };
const now = () => process.hrtime.bigint();
const queue = new Queue('jobs', { connection });
// 200 bytes with the job's number, as JSON, which is what BullMQ stores.
const data = (number) => ({ n: number, p: '.'.repeat(200 - `{"n":${number},"p":""}`.length) });

// Answers are many lines: written together.
function tell(lines) {
  process.stdout.write(lines.join('\n') + '\n');
}

function submitter() {
  let jobs = [];
  async function submit(count) {
    const first = jobs.length;
    const at = now();
    for (let i = 0; i < count; i++) jobs.push({ at, acked: 0n });
    if (count === 1) {
      await queue.add('job', data(first), options);
    } else {
      const bulk = [];
      for (let i = 0; i < count; i++) bulk.push({ name: 'job', data: data(first + i), opts: options });
      await queue.addBulk(bulk);
    }
    const acked = now();
    for (let i = 0; i < count; i++) jobs[first + i].acked = acked;
  }
  async function window(callers, together, ms) {
    const ends = now() + BigInt(ms) * 1000000n;
    const caller = async () => {
      while (now() < ends) await submit(together);
    };
    await Promise.all(Array.from({ length: callers }, caller));
  }
  async function one(count, ms) {
    let next = Number(now()) / 1e6;
    for (let i = 0; i < count; i++) {
      const wait = next - Number(now()) / 1e6;
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      next = Math.max(next, Number(now()) / 1e6) + ms;
      await submit(1);
    }
  }
  return async (word, numbers) => {
    jobs = [];
    await (word === 'window' ? window : one)(...numbers);
    tell([...jobs.map((job) => `job ${job.at} ${job.acked}`), 'over']);
  };
}

function worker() {
  let starts = [];
  let different = new Set();
  let completed = 0;
  let last = 0n;
  let until = Infinity;
  const run = async (job) => {
    starts.push(`start ${job.data.n} ${now()}`);
    different.add(job.data.n);
  };
  const runner = new Worker('jobs', run, { connection, concurrency: 200 });
  const look = () => {
    if (completed < until || different.size < until) return;
    tell([`done ${last}`, ...starts, 'over']);
    until = Infinity;
  };
  // Redis has answered that the job is complete.
  runner.on('completed', () => {
    completed += 1;
    last = now();
    look();
  });
  return async (word, numbers) => {
    if (word === 'begin') {
      await runner.waitUntilReady();
      [starts, different, completed] = [[], new Set(), 0];
      tell(['ready']);
    } else if (word === 'until') {
      until = numbers[0];
      look();
    } else if (word === 'left') {
      const counts = await queue.getJobCounts();
      tell([`left ${Object.values(counts).reduce((sum, count) => sum + count, 0)}`]);
    }
  };
}

const play = role === 'submitter' ? submitter() : worker();
await queue.waitUntilReady();
let before = Promise.resolve();
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [word, ...numbers] = line.split(' ');
  before = before.then(() => play(word, numbers.map(Number)));
});
lines.on('close', () => process.exit(0));
