// Generated from proto/flwr/transport.proto by tools/proto.mjs: the messages as protobufjs describes them in JSON.
export default {
  nested: {
    flwr: {
      nested: {
        proto: {
          nested: {
            FlowerService: {
              methods: {
                Join: {
                  requestType: "ClientMessage",
                  requestStream: true,
                  responseType: "ServerMessage",
                  responseStream: true,
                },
              },
            },
            Code: {
              values: {
                OK: 0,
                GET_PROPERTIES_NOT_IMPLEMENTED: 1,
                GET_PARAMETERS_NOT_IMPLEMENTED: 2,
                FIT_NOT_IMPLEMENTED: 3,
                EVALUATE_NOT_IMPLEMENTED: 4,
              },
            },
            Reason: { values: { UNKNOWN: 0, RECONNECT: 1, POWER_DISCONNECTED: 2, WIFI_UNAVAILABLE: 3, ACK: 4 } },
            Status: { fields: { code: { type: "Code", id: 1 }, message: { type: "string", id: 2 } } },
            Parameters: {
              fields: { tensors: { rule: "repeated", type: "bytes", id: 1 }, tensorType: { type: "string", id: 2 } },
            },
            Scalar: {
              oneofs: { scalar: { oneof: ["double", "uint64", "sint64", "bool", "string", "bytes"] } },
              fields: {
                double: { type: "double", id: 1 },
                uint64: { type: "uint64", id: 6 },
                sint64: { type: "sint64", id: 8 },
                bool: { type: "bool", id: 13 },
                string: { type: "string", id: 14 },
                bytes: { type: "bytes", id: 15 },
              },
            },
            ServerMessage: {
              oneofs: {
                msg: { oneof: ["reconnectIns", "getPropertiesIns", "getParametersIns", "fitIns", "evaluateIns"] },
              },
              fields: {
                reconnectIns: { type: "ReconnectIns", id: 1 },
                getPropertiesIns: { type: "GetPropertiesIns", id: 2 },
                getParametersIns: { type: "GetParametersIns", id: 3 },
                fitIns: { type: "FitIns", id: 4 },
                evaluateIns: { type: "EvaluateIns", id: 5 },
              },
              nested: {
                ReconnectIns: { fields: { seconds: { type: "int64", id: 1 } } },
                GetPropertiesIns: { fields: { config: { keyType: "string", type: "Scalar", id: 1 } } },
                GetParametersIns: { fields: { config: { keyType: "string", type: "Scalar", id: 1 } } },
                FitIns: {
                  fields: {
                    parameters: { type: "Parameters", id: 1 },
                    config: { keyType: "string", type: "Scalar", id: 2 },
                  },
                },
                EvaluateIns: {
                  fields: {
                    parameters: { type: "Parameters", id: 1 },
                    config: { keyType: "string", type: "Scalar", id: 2 },
                  },
                },
              },
            },
            ClientMessage: {
              oneofs: {
                msg: { oneof: ["disconnectRes", "getPropertiesRes", "getParametersRes", "fitRes", "evaluateRes"] },
              },
              fields: {
                disconnectRes: { type: "DisconnectRes", id: 1 },
                getPropertiesRes: { type: "GetPropertiesRes", id: 2 },
                getParametersRes: { type: "GetParametersRes", id: 3 },
                fitRes: { type: "FitRes", id: 4 },
                evaluateRes: { type: "EvaluateRes", id: 5 },
              },
              nested: {
                DisconnectRes: { fields: { reason: { type: "Reason", id: 1 } } },
                GetPropertiesRes: {
                  fields: {
                    status: { type: "Status", id: 1 },
                    properties: { keyType: "string", type: "Scalar", id: 2 },
                  },
                },
                GetParametersRes: {
                  fields: { status: { type: "Status", id: 1 }, parameters: { type: "Parameters", id: 2 } },
                },
                FitRes: {
                  fields: {
                    status: { type: "Status", id: 1 },
                    parameters: { type: "Parameters", id: 2 },
                    numExamples: { type: "int64", id: 3 },
                    metrics: { keyType: "string", type: "Scalar", id: 4 },
                  },
                },
                EvaluateRes: {
                  fields: {
                    status: { type: "Status", id: 1 },
                    loss: { type: "float", id: 2 },
                    numExamples: { type: "int64", id: 3 },
                    metrics: { keyType: "string", type: "Scalar", id: 4 },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
} as const;
