#!lua
-- Take one step of a shard: all of it, or nothing if the last step is not the one that it follows.
-- `#!lua` lets Redis refuse the whole script up front (OOM, READONLY, MISCONF, NOREPLICAS).
-- Two arguments hold everything, because every argument costs the worker more than the bytes in it.
--
-- KEYS  1 ctl  2 leads  3 due  4 outbox  5 dirty  6 rank  7... the rankings that change, in the order of ARGV
--       Every key that is written is named here: in a cluster whose slots move, Redis refuses the script up front
--       if one is elsewhere, and half way if it is not told.
-- ARGV  1 msgpack list of
--           id of the step that it follows ('' for none), its own id, version afterwards (texts),
--           highest outbox seq acknowledged (text, '0' for none),
--           fields    {name, length, ...}        leads  {id, length, ...}
--           outbox    {'<seq>-0', length, ...}   (lengths in bytes of what is in ARGV 2)
--           due       {ms since the epoch, id, ...}, {id to take out, ...}
--           rankings  {scorecard, {points, id, ...}, {id to take out, ...}, ...}
--           clean     {id, ...}                  dirty  {id, ...}
--           leads to remove {id, ...}
--       2 the blobs of fields, leads and outbox joined, as cmsgpack knows no binary type
-- Returns 'OK', 'DUP' (this step was the last one taken) or 'CONFLICT'.

local CHUNK = 4000 -- values a call: Lua's C stack holds 8000; even, so that pairs stay together

local after, step, version, acknowledged, fields, leads, outbox, due, not_due, rankings, clean, dirty,
  removed = unpack(cmsgpack.unpack(ARGV[1]))

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
local function cut(values) -- lengths become blobs
  for i = 2, #values, 2 do
    local length = values[i]
    values[i] = string.sub(ARGV[2], at, at + length - 1)
    at = at + length
  end
end
cut(fields)
cut(leads)
cut(outbox)

-- First, as the only command that can refuse its values (a seq that was used before).
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

for i = 1, #rankings, 3 do
  local key, scores = KEYS[6 + (i + 2) / 3], rankings[i + 1]
  for j = 1, #scores, 2 do scores[j] = -scores[j] end
  write('ZADD', key, scores)
  write('ZREM', key, rankings[i + 2])
  redis.call('SADD', KEYS[6], rankings[i])
end

if #removed > 0 then
  write('HDEL', KEYS[2], removed)
  write('ZREM', KEYS[3], removed)
  for i = 7, #KEYS do write('ZREM', KEYS[i], removed) end
end

redis.call('HSET', KEYS[1], 'version', version, 'step', step, unpack(fields))
return 'OK'
