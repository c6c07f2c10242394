-- Counts what the dead were sending through a window of octets.
local function spend(g, holds, w, name, dirty)
  local octets = g.has_spent and tonumber(redis.call('HGET', holds, 'x:' .. name))
  if octets then
    redis.call('HDEL', holds, 'x:' .. name)
    redis.call('HINCRBY', holds, 'x', -1)
    set_aside(holds, name, -octets)
    add(w, octets, name, dirty)
  end
end
