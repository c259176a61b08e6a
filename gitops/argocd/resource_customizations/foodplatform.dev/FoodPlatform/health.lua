local hs = {}

local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end

local function is_current(observedGeneration)
  return observedGeneration == obj.metadata.generation
end

-- A condition of an older generation says nothing about the spec as it is now.
local function is_true(type)
  local condition = conditions[type]
  return condition ~= nil and condition.status == "True" and is_current(condition.observedGeneration)
end

local function message(type)
  local condition = conditions[type]
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

local ready = conditions["Ready"]
if obj.status == nil or not is_current(obj.status.observedGeneration)
  or ready == nil or not is_current(ready.observedGeneration) then
  hs.status = "Progressing"
  hs.message = "Waiting for the operator to observe the spec"
  return hs
end

-- A person has paused it: whatever else is wrong, nothing is done about it until they resume it.
if is_true("Paused") then
  hs.status = "Suspended"
  hs.message = message("Paused")
  if is_true("Stalled") then
    hs.message = hs.message .. "; " .. message("Stalled")
  end
  return hs
end

if is_true("Stalled") then
  hs.status = "Degraded"
  hs.message = message("Stalled")
  return hs
end

if is_true("Ready") then
  hs.status = "Healthy"
  hs.message = message("Ready")
  return hs
end

hs.status = "Progressing"
hs.message = message("Ready")
return hs
