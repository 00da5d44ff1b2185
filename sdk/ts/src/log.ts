/**
 * What is told what happens: an object like console. Messages are constant; what
 * differs stands in the fields.
 */
export interface Log {
  debug(message: string, fields: Readonly<Record<string, unknown>>): void;
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

const levels = ["debug", "info", "warn", "error"] as const;

/** Returns a log that hands on to another one, if there is one, and lives with whatever that throws. */
export function safe(log: Log | undefined): Log {
  const to = (level: keyof Log) => (message: string, fields: Readonly<Record<string, unknown>>) => {
    try {
      log?.[level](message, fields);
    } catch {
      // Nobody is left to be told.
    }
  };
  const [debug, info, warn, error] = levels.map(to) as [Log["debug"], Log["info"], Log["warn"], Log["error"]];
  return { debug, info, warn, error };
}
