import * as snowplow from "@snowplow/browser-tracker";

window.start = (host, appId, eventMethod) => {
  window.tracker = snowplow.newTracker("leadglow", host, { appId, eventMethod });
  window.snowplow = snowplow;
};
