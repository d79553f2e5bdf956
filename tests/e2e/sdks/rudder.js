import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

window.start = (host, writeKey) => {
  window.analytics = new RudderAnalytics();
  window.analytics.load(writeKey, host, { configUrl: host });
  return new Promise((done) => window.analytics.ready(() => done())); // page calls before that tell a later address
};
