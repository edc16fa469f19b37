import { endingScenarios } from './ending-scenarios.js';
import { handleScenarios } from './handle-scenarios.js';
import { listenerScenarios } from './listener-scenarios.js';
import { processScenarios } from './process-scenarios.js';
import { sendingScenarios } from './sending-scenarios.js';
import { valuesScenarios } from './values-scenarios.js';
import type { Scenarios } from './scenario-parts.js';

export const scenarios: Scenarios = {
  ...valuesScenarios,
  ...sendingScenarios,
  ...endingScenarios,
  ...handleScenarios,
  ...listenerScenarios,
  ...processScenarios,
};
