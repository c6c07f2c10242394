-- uses: guard
-- Begins a tenant's hash anew when it is of another life of the server or of another database:
-- nothing is granted for one time to live, in which holders say what they have.
--
-- KEYS  holds, leases, line, expired
-- ARGV  epoch, generation, time to live (ms)
-- gives 1 when the windows are merged with the records, else 0
local holds, leases = KEYS[1], KEYS[2]
local epoch = ARGV[1] .. ':' .. ARGV[2]
local found = redis.call('HMGET', holds, 'e', 'm', 'c')
if found[1] ~= epoch or tonumber(found[3]) ~= redis.call('ZCARD', leases) then
  local ms = server_ms()
  redis.call('DEL', unpack(KEYS))
  redis.call('HSET', holds, 'e', epoch, 'm', 0, 'c', 0, 'n', 0, 'b', ms, 'ready', ms + ARGV[3])
  return 0
end
return tonumber(found[2])
