// Runs the checks of one client, one after the other, and says what came of each.
export const run = async (client, checks) => {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log('ok    ', client, name);
    } catch (error) {
      failed += 1;
      console.log('FAILED', client, name, error);
    }
  }
  const count = Object.keys(checks).length;
  console.log(`${client}: ${count - failed} of ${count} passed`);
  process.exit(failed ? 1 : 0);
};
