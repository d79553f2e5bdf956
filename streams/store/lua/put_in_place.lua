#!lua
-- Give the keys of a shard their final names. May be repeated.
-- KEYS  name now, final name, name now, final name, ...
-- Returns the number of keys that were renamed.

local renamed = 0
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    renamed = renamed + 1
  end
end
return renamed
