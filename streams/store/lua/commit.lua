#!lua
-- Applies a whole step of a shard, or nothing if the last step is not the expected one.
-- `#!lua` lets Redis refuse the whole script in advance (OOM, READONLY, MISCONF, NOREPLICAS).
-- There are only two arguments, because each argument costs the worker more time than its bytes.
--
-- KEYS  1 ctl  2 leads  3 due  4 outbox  5 dirty  6 rank  7 fired  8 sales
--       9, 10 ... the ranking and the histories of each scorecard that changes, in the order of ARGV
--       Every key that is written must be listed: in a cluster whose slots move, Redis then refuses the script in
--       advance if a key is on another node; it would fail in the middle if a key were not listed.
-- ARGV  1 msgpack list of
--           expected id of the last step ('' for none), id of this step, version afterwards (strings),
--           highest acknowledged outbox seq (string, '0' for none),
--           fields    {name, length, ...}        leads  {id, length, ...}
--           outbox    {'<seq>-0', length, ...}   (lengths in bytes of the blobs in ARGV 2)
--           due       {ms since the epoch, id, ...}, {id to remove, ...}
--           rankings  {scorecard, {points, id, ...}, {id to remove, ...}, ...}
--           clean     {id, ...}                  dirty  {id, ...}
--           leads to remove {id, ...}
--           second since the epoch of the scores in the rankings; 0: they are not added to the history
--           day since the epoch, {signal, number of times it counted, sum of the amounts as a string or '', ...}
--           rows for results {ms since the epoch, row, ...}
--       2 the blobs of fields, leads and outbox, joined, because cmsgpack has no binary type
-- Returns 'OK', 'DUP' (this step is already the last step) or 'CONFLICT'.

local CHUNK = 4000 -- values in a call: Lua's C stack holds 8000; an even number, so that pairs stay together

local after, step, version, acknowledged, fields, leads, outbox, due, not_due, rankings, clean, dirty,
  removed, second, day, fired, sales = unpack(cmsgpack.unpack(ARGV[1]))

local last = redis.call('HGET', KEYS[1], 'step') or ''
if last ~= after then
  return last == step and 'DUP' or 'CONFLICT'
end

local function write(command, key, values)
  for first = 1, #values, CHUNK do
    redis.call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

local at = 1
local function cut(values) -- replaces lengths by blobs
  for i = 2, #values, 2 do
    local length = values[i]
    values[i] = string.sub(ARGV[2], at, at + length - 1)
    at = at + length
  end
end
cut(fields)
cut(leads)
cut(outbox)

-- XADD comes first, because only it can refuse its values (a seq that was used before).
for i = 1, #outbox, 2 do
  redis.call('XADD', KEYS[4], outbox[i], 'm', outbox[i + 1])
end
if acknowledged ~= '0' then
  redis.call('XTRIM', KEYS[4], 'MINID', '=', acknowledged .. '-1') -- entries are <seq>-0
end

write('SREM', KEYS[5], clean)
write('SADD', KEYS[5], dirty)
write('HSET', KEYS[2], leads)
write('ZADD', KEYS[3], due)
write('ZREM', KEYS[3], not_due)

-- The same algorithm as in streams/store/history.py, to the byte. A point has 4 bytes for seconds and 2 for the score.
local POINT, MAX_POINTS, SHARE, OLDEST = 6, 112, 7, 90 * 86400

local function thinned(history)
  local newest = struct.unpack('>I4', history, #history - POINT + 1)
  local kept, following = {string.sub(history, -POINT)}, newest
  for at = #history - 2 * POINT + 1, 1, -POINT do
    local when = struct.unpack('>I4', history, at)
    if newest - when <= OLDEST and (following - when) * SHARE >= newest - when then
      table.insert(kept, 1, string.sub(history, at, at + POINT - 1))
      following = when
    end
  end
  return table.concat(kept)
end

local function lengthened(history, when, score)
  local value = math.min(math.max(math.floor(score), -32768), 32767)
  if #history > 0 then
    local last, known = struct.unpack('>I4i2', history, #history - POINT + 1)
    if known == value then return history end
    when = math.max(when, last)
    if when == last then history = string.sub(history, 1, -POINT - 1) end
  end
  history = history .. struct.pack('>I4i2', when, value)
  if #history > MAX_POINTS * POINT or when - struct.unpack('>I4', history) > OLDEST then return thinned(history) end
  return history
end

local function lengthen(key, scores) -- many ids in each call, because a call is expensive
  local changed = {}
  for first = 1, #scores, CHUNK do
    local ids = {}
    for j = first + 1, math.min(first + CHUNK - 1, #scores), 2 do ids[#ids + 1] = scores[j] end
    local known = redis.call('HMGET', key, unpack(ids))
    for k = 1, #ids do
      local before = known[k] or ''
      local after = lengthened(before, second, scores[first + 2 * k - 2])
      if after ~= before then
        changed[#changed + 1] = ids[k]
        changed[#changed + 1] = after
      end
    end
  end
  write('HSET', key, changed)
end

for i = 1, #rankings, 3 do
  local key, histories, scores = KEYS[9 + (i - 1) / 3 * 2], KEYS[10 + (i - 1) / 3 * 2], rankings[i + 1]
  if second > 0 then lengthen(histories, scores) end
  for j = 1, #scores, 2 do
    scores[j] = -scores[j]
  end
  write('ZADD', key, scores)
  write('ZREM', key, rankings[i + 2])
  write('HDEL', histories, rankings[i + 2])
  redis.call('SADD', KEYS[6], rankings[i])
end

if #removed > 0 then
  write('HDEL', KEYS[2], removed)
  write('ZREM', KEYS[3], removed)
  for i = 9, #KEYS, 2 do
    write('ZREM', KEYS[i], removed)
    write('HDEL', KEYS[i + 1], removed)
  end
end

if #fired > 0 then -- fields `DAY n SIGNAL` and `DAY a SIGNAL`, of the latest nine days (DAYS_KEPT), and `day`, the latest
  local latest = tonumber(redis.call('HGET', KEYS[7], 'day') or '-1')
  if day > latest then
    redis.call('HSET', KEYS[7], 'day', day)
    for _, field in ipairs(redis.call('HKEYS', KEYS[7])) do
      local of = tonumber(string.match(field, '^%d+'))
      if of and of <= day - 9 then redis.call('HDEL', KEYS[7], field) end
    end
  end
  if day > latest - 9 then
    for i = 1, #fired, 3 do
      redis.call('HINCRBY', KEYS[7], day .. ' n ' .. fired[i], fired[i + 1])
      if fired[i + 2] ~= '' then redis.call('HINCRBYFLOAT', KEYS[7], day .. ' a ' .. fired[i], fired[i + 2]) end
    end
  end
end

if #sales > 0 then -- of the latest 400 days (SALES_DAYS), and the latest 20,000 (SALES_ROWS)
  write('ZADD', KEYS[8], sales)
  redis.call('ZREMRANGEBYSCORE', KEYS[8], '-inf', '(' .. string.format('%d', (day - 400) * 86400000))
  redis.call('ZREMRANGEBYRANK', KEYS[8], 0, -20001)
end

redis.call('HSET', KEYS[1], 'version', version, 'step', step, unpack(fields))
return 'OK'
