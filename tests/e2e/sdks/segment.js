import { AnalyticsBrowser } from "@segment/analytics-next";

window.start = (host, writeKey) => {
  window.analytics = AnalyticsBrowser.load({ writeKey, cdnURL: host });
};
