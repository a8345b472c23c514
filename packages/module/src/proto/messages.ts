// The ONNX messages as types. A field that is absent in the file is absent here; int64 is a bigint.

export interface UnknownField {
  /** Field number and wire type, as in the file. */
  readonly tag: number;
  readonly value: bigint | number | Uint8Array;
}

interface Message {
  /** Fields that onnx.proto does not list, kept so that they are written back. */
  readonly unknown?: readonly UnknownField[];
}

export interface ModelProto extends Message {
  readonly irVersion?: bigint;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
  readonly docString?: string;
  readonly graph?: GraphProto;
  readonly opsetImport?: readonly OperatorSetIdProto[];
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly trainingInfo?: readonly TrainingInfoProto[];
  readonly functions?: readonly FunctionProto[];
}

export interface OperatorSetIdProto extends Message {
  readonly domain?: string;
  readonly version?: bigint;
}

export interface StringStringEntryProto extends Message {
  readonly key?: string;
  readonly value?: string;
}

export interface TrainingInfoProto extends Message {
  readonly initialization?: GraphProto;
  readonly algorithm?: GraphProto;
  readonly initializationBinding?: readonly StringStringEntryProto[];
  readonly updateBinding?: readonly StringStringEntryProto[];
}

export interface FunctionProto extends Message {
  readonly name?: string;
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly attribute?: readonly string[];
  readonly attributeProto?: readonly AttributeProto[];
  readonly node?: readonly NodeProto[];
  readonly docString?: string;
  readonly opsetImport?: readonly OperatorSetIdProto[];
  readonly domain?: string;
  readonly overload?: string;
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface GraphProto extends Message {
  readonly node?: readonly NodeProto[];
  readonly name?: string;
  readonly initializer?: readonly TensorProto[];
  readonly docString?: string;
  readonly input?: readonly ValueInfoProto[];
  readonly output?: readonly ValueInfoProto[];
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly quantizationAnnotation?: readonly TensorAnnotation[];
  readonly sparseInitializer?: readonly SparseTensorProto[];
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface TensorAnnotation extends Message {
  readonly tensorName?: string;
  readonly quantParameterTensorNames?: readonly StringStringEntryProto[];
}

export interface NodeProto extends Message {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute?: readonly AttributeProto[];
  readonly docString?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface AttributeProto extends Message {
  readonly name?: string;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats?: readonly number[];
  readonly ints?: readonly bigint[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly TensorProto[];
  readonly graphs?: readonly GraphProto[];
  readonly docString?: string;
  readonly tp?: TypeProto;
  readonly typeProtos?: readonly TypeProto[];
  readonly type?: number;
  readonly refAttrName?: string;
  readonly sparseTensor?: SparseTensorProto;
  readonly sparseTensors?: readonly SparseTensorProto[];
}

export interface TensorProto extends Message {
  readonly dims?: readonly bigint[];
  readonly dataType?: number;
  readonly segment?: { readonly begin?: bigint; readonly end?: bigint };
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: readonly bigint[];
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly bigint[];
  readonly docString?: string;
  readonly externalData?: readonly StringStringEntryProto[];
  readonly dataLocation?: number;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface SparseTensorProto extends Message {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims?: readonly bigint[];
}

export interface ValueInfoProto extends Message {
  readonly name?: string;
  readonly type?: TypeProto;
  readonly docString?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

export interface TypeProto extends Message {
  readonly tensorType?: { readonly elemType?: number; readonly shape?: TensorShapeProto };
  readonly sequenceType?: { readonly elemType?: TypeProto };
  readonly mapType?: { readonly keyType?: number; readonly valueType?: TypeProto };
  readonly optionalType?: { readonly elemType?: TypeProto };
  readonly sparseTensorType?: { readonly elemType?: number; readonly shape?: TensorShapeProto };
  readonly opaqueType?: { readonly domain?: string; readonly name?: string };
  readonly denotation?: string;
}

export interface TensorShapeProto extends Message {
  readonly dim?: readonly DimensionProto[];
}

export interface DimensionProto extends Message {
  readonly dimValue?: bigint;
  readonly dimParam?: string;
  readonly denotation?: string;
}

/** The messages that are read and written on their own. */
export interface Messages {
  readonly ModelProto: ModelProto;
  readonly GraphProto: GraphProto;
  readonly TensorProto: TensorProto;
}
